"""Sequential transfer: what fine-tuning moves, its penalty, its start, and the source's training."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sharewise.errors import DataError, OptionError
from sharewise.meta import ClassPool, Episodes, FromScratch, TaskPool, evaluate
from sharewise.meta._fine_tune import RULES, TUNES, Adam, Descent, Pull, blocks_of, fine_tune, from_the_top
from sharewise.meta._inner import Pass, Rows
from sharewise.meta._transfer import Transfer
from sharewise.meta._transfer_train import Offsets, transfer_train
from sharewise.meta.conformance import CHECKS, Factory, episodes_of, run_check

TUNINGS = sorted(TUNES)


def trunk(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())


def transfer(inputs: int, outputs: int, **options) -> Transfer:
    return Transfer(trunk(inputs), 6, outputs=1 if outputs == 1 else None, **options)


def pooled(inputs: int, outputs: int, **options) -> Transfer:
    return Transfer(trunk(inputs), 6, outputs=outputs, **options)


# Training on episodes lowers the loss of the start, so few and short steps lead away from it here.
FACTORIES: dict[str, Factory] = {
    "cosine-head": lambda inputs, outputs: transfer(inputs, outputs, tune="head", steps=3),
    "linear-whole": lambda inputs, outputs: transfer(inputs, outputs, logits="linear", steps=5),
    "pooled-gradual": lambda inputs, outputs: pooled(inputs, outputs, tune="gradual", steps=5),
    "l2-sp-looped": lambda inputs, outputs: transfer(inputs, outputs, tune="l2-sp", steps=4, mode="looped"),
}
CASES = [(name, kind) for name in FACTORIES for kind in ("classification", "regression")]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_learner_keeps(check, name, kind):
    run_check(check, FACTORIES[name], kind)


def double(learner: Transfer) -> Transfer:
    return learner.double().eval()


# What moves


def test_gradual_unfreezing_opens_from_the_top():
    head, blocks = frozenset({"h"}), [frozenset({"a"}), frozenset({"b", "c"})]
    stages = from_the_top(head, blocks, 6)
    assert stages == (head,) * 2 + (head | {"b", "c"},) * 2 + (head | {"a", "b", "c"},) * 2
    assert from_the_top(head, blocks, 1) == (head,)
    assert from_the_top(head, blocks, 2) == (head, head | {"b", "c"})


def test_blocks_are_children_with_weights_that_train():
    network = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 1)))
    network[0][2].requires_grad_(False)
    assert blocks_of(network, "e.") == [
        frozenset({"e.0.0.weight", "e.0.0.bias"}),
        frozenset({"e.0.3.weight", "e.0.3.bias"}),
    ]
    network.register_parameter("scale", nn.Parameter(torch.ones(1)))
    assert blocks_of(network)[0] >= {"scale", "0.0.weight"}
    assert blocks_of(nn.Identity()) == []


@pytest.mark.parametrize("mode", ["vectorised", "looped"])
def test_each_stage_moves_what_it_says_and_nothing_else(mode):
    episodes = episodes_of("classification")
    torch.manual_seed(0)
    start = double(transfer(5, 3))
    shared = dict(start.network.named_parameters())
    moved = []
    for steps in (1, 2, 3):  # three stages: head, last layer, first layer
        learner = copy.deepcopy(start)
        learner.tune, learner.steps, learner.mode = "gradual", 3, mode
        weights = frozenset({"head.weight"})
        cut = learner.schedule(weights)[:steps]
        state = {**{n: w.detach() for n, w in shared.items() if "encoder" in n}}
        one = {name: weight.expand(3, *weight.shape) for name, weight in state.items()}
        one["head.weight"] = torch.randn(3, 3, 6, dtype=torch.float64)
        rows = Rows(episodes.support_x, episodes.support_y, None, torch.ones(3, 3, dtype=torch.bool))
        end = fine_tune(Pass(learner.network, vectorised=True), one, rows, cut, Descent(0.1))
        moved.append({name for name in one if not torch.equal(one[name], end[name])})
    last = {"encoder.2.weight", "encoder.2.bias"}
    assert moved[0] == {"head.weight"}
    assert moved[1] == {"head.weight"} | last
    assert moved[2] == {"head.weight"} | last | {"encoder.0.weight", "encoder.0.bias"}


def test_head_only_leaves_the_trunk_bit_identical():
    episodes = episodes_of("classification")
    learner = double(transfer(5, 3, tune="head", rate=0.1))
    before = copy.deepcopy(learner.state_dict())
    adapted = learner.adapt(episodes.support_x[0], episodes.support_y[0])
    assert set(adapted.state) == {"head.weight"}
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


def test_whole_tuning_has_weights_of_its_own_and_leaves_the_start():
    episodes = episodes_of("regression")
    learner = double(transfer(5, 1, tune="whole", rate=0.1))
    before = copy.deepcopy(learner.state_dict())
    adapted = learner.adapt(episodes.support_x[0], episodes.support_y[0])
    assert set(adapted.state) == {name for name, _ in learner.network.named_parameters()}
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    fitted = adapted.predict(episodes.support_x[0]) - episodes.support_y[0]
    bare = Transfer(learner.encoder, 6, outputs=1, steps=0).double()
    bare.load_state_dict(learner.state_dict())
    start = bare.adapt(episodes.support_x[0], episodes.support_y[0])
    assert (
        fitted.square().mean()
        < 0.5 * (start.predict(episodes.support_x[0]) - episodes.support_y[0]).square().mean()
    )


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("tune", TUNINGS)
def test_vectorised_and_looped_give_the_same(tune, kind):
    episodes = episodes_of(kind)
    found = []
    for mode in ("vectorised", "looped"):
        torch.manual_seed(0)
        learner = double(transfer(5, 1 if kind == "regression" else 3, tune=tune, rate=0.05, mode=mode))
        found.append(learner.predict(episodes))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


# Values by hand


def test_adam_is_torchs():
    torch.manual_seed(0)
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    optimizer, rule, own = torch.optim.Adam([weight], lr=0.1), Adam(0.1), weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        (weight**4).sum().backward()
        own = rule.moved("w", own, 4 * own**3)
        optimizer.step()
    torch.testing.assert_close(own, weight.detach(), rtol=1e-12, atol=1e-12)


def test_penalty_by_hand():
    pull = Pull(start=0.5, zero=0.1, new=frozenset({"new"}))
    weights = {"old": torch.tensor([[1.0, 2.0], [0.0, 0.0]]), "new": torch.tensor([[3.0], [4.0]])}
    start = {"old": torch.tensor([[0.0, 0.0], [0.0, 1.0]]), "new": torch.tensor([[9.0], [9.0]])}
    # old: 0.25 (1 + 4) and 0.25 · 1; new: 0.05 · 9 and 0.05 · 16
    assert pull(weights, start).item() == pytest.approx(1.25 + 0.25 + 0.45 + 0.8)


def test_pull_on_a_linear_model_ends_at_its_closed_form():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 7, 3, dtype=torch.float64, generator=rng)
    y = torch.randn(2, 7, dtype=torch.float64, generator=rng)
    layer = nn.Linear(3, 1, bias=False).double()
    start = {"weight": layer.weight.detach().expand(2, 1, 3)}
    pull = Pull(start=0.7, zero=0.0, new=frozenset())
    end = fine_tune(
        Pass(layer, vectorised=True), start, Rows(x, y, None, None),
        (frozenset({"weight"}),) * 400, Descent(0.1), pull,
    )  # fmt: skip
    # The least of |Xw − y|²/n + α/2 |w − w₀|² solves (2/n X'X + α I) w = 2/n X'y + α w₀.
    left = 2 / 7 * x.mT @ x + 0.7 * torch.eye(3, dtype=torch.float64)
    right = 2 / 7 * (x.mT @ y[..., None])[..., 0] + 0.7 * layer.weight.detach()
    torch.testing.assert_close(end["weight"][:, 0], torch.linalg.solve(left, right), rtol=1e-9, atol=1e-9)


def test_a_strong_pull_keeps_the_start():
    episodes = episodes_of("regression")
    distances = []
    for pull in (0.0, 1.0, 100.0):
        torch.manual_seed(0)
        learner = double(pooled(5, 1, tune="l2-sp", pull=pull, rate=0.005, optimizer="sgd", steps=200))
        state = learner.adapt(episodes.support_x[0], episodes.support_y[0]).state
        start = dict(learner.network.named_parameters())
        distances.append(sum((state[n][0] - start[n]).square().sum().item() for n in state))
    assert distances[0] > 1.2 * distances[1] > 12 * distances[2]


def test_without_steps_a_cosine_head_is_the_centred_centroid():
    learner = Transfer(nn.Identity(), 2, steps=0)
    learner.head.centre.copy_(torch.tensor([1.0, 0.0]))
    x = torch.tensor([[2.0, 0.0], [1.0, 3.0], [1.0, 1.0]])
    adapted = learner.adapt(x, torch.tensor([0, 1, 1]))
    assert torch.equal(adapted.state["head.weight"][0], torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    # From the centre (1, 0) the row (4, 4) lies at (3, 4)/5: cosines 0.6 and 0.8, times the scale of 10.
    wanted = torch.tensor([[6.0, 8.0]]).log_softmax(-1)
    torch.testing.assert_close(adapted.predict(torch.tensor([[4.0, 4.0]])), wanted)


def test_a_linear_head_starts_as_nearest_class_mean_or_as_no_opinion():
    x, y = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 0, 1])
    asked = torch.tensor([[1.0, 1.0]])
    means = Transfer(nn.Identity(), 2, steps=0, logits="linear", scale=3.0).adapt(x, y)
    # Squared distances to (1, 0) and (0, 5) are 1 and 17; logits −s d²/D.
    wanted = (-1.5 * torch.tensor([[1.0, 17.0]])).log_softmax(-1)
    torch.testing.assert_close(means.predict(asked), wanted)
    even = Transfer(nn.Identity(), 2, steps=0, logits="linear", start="zeros").adapt(x, y)
    torch.testing.assert_close(even.predict(asked).exp(), torch.tensor([[0.5, 0.5]]))


def test_an_offset_is_held_as_by_rows_at_zero():
    offsets = Offsets([7, 7, 7, 9], 1, 2.0)
    with torch.no_grad():
        offsets.added.copy_(torch.tensor([[3.0], [1.0]]))
    assert offsets(torch.tensor([3, 0])).tolist() == [[1.0], [3.0]]
    # Over all rows: 3 of (2/3) 3² and one of 2 · 1², in the mean.
    assert offsets.penalty(torch.arange(4)).item() == pytest.approx((3 * 6 + 2) / 4)


# Source training


def pool(classes: int = 30, seed: int = 0) -> ClassPool:
    """Classes differ in 4 of 20 coordinates; the rest is noise."""
    rng = torch.Generator().manual_seed(seed)
    labels = np.repeat(np.arange(classes), 20)
    inputs = 1.5 * torch.randn(len(labels), 20, generator=rng)
    inputs[:, :4] = 0.5 * inputs[:, :4] + 1.5 * torch.randn(classes, 4, generator=rng)[labels]
    mix = torch.linalg.qr(torch.randn(20, 20, generator=torch.Generator().manual_seed(9)))[0]
    return ClassPool(inputs @ mix, labels)


@pytest.mark.slow
def test_transfer_beats_raw_inputs_and_from_scratch_on_a_pool():
    source, target = pool(60), pool(20, seed=1)
    test = target.draw(np.random.default_rng(0), ways=4, shots=3, queries=8, episodes=60)
    scratch = FromScratch(lambda width: nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, width)))
    floor = max(
        evaluate(Transfer(nn.Identity(), 20, steps=0), [test]).mean,
        evaluate(scratch, [test]).mean,
    )
    for options in ({"tune": "head"}, {"tune": "whole", "logits": "linear"}):
        torch.manual_seed(0)
        learner = Transfer(nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 16)), 16, **options)
        found = transfer_train(learner, source.inputs, source.labels, steps=300, rate=5e-3)
        assert found.status == "finished"
        assert len(found.losses) == 300
        assert evaluate(learner, [test]).mean > floor + 0.08
        assert not torch.equal(learner.head.centre, torch.zeros(16))


def long_table(tasks: int = 40, rows: int = 15, seed: int = 0) -> TaskPool:
    """A task's numbers are a common function plus a number of its own."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(tasks * rows, 5, generator=rng)
    codes = np.repeat(np.arange(tasks), rows)
    own = torch.randn(tasks, generator=rng)[codes]
    y = torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + own + 0.1 * torch.randn(len(x), generator=rng)
    return TaskPool(codes, x, y)


@pytest.mark.slow
def test_transfer_beats_scratch_on_a_long_table():
    source, target = long_table(), long_table(20, 20, seed=1)
    test = target.draw(np.random.default_rng(0), shots=5, episodes=20)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
    learner = Transfer(network, 32, outputs=1, tune="head", rate=0.02)
    transfer_train(learner, source.inputs, source.y, source.tasks, steps=500, rate=5e-3)
    scratch = FromScratch(lambda _: nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1)))
    found = evaluate(learner, [test]).mean
    assert found < 0.6 * evaluate(scratch, [test]).mean
    learner.steps = 0
    assert found < evaluate(learner, [test]).mean  # fine-tuning adds to the start


def test_offsets_take_up_what_tasks_differ_in():
    """Without them, a common head must explain the tasks' levels by noise."""
    table = long_table(10, 30)
    scores = []
    for tasks in (table.tasks, None):
        torch.manual_seed(0)
        learner = Transfer(nn.Sequential(nn.Linear(5, 32), nn.ReLU()), 32, outputs=1)
        found = transfer_train(learner, table.inputs, table.y, tasks, steps=150, rate=2e-2)
        scores.append(np.mean(found.losses[-20:]))
    assert scores[0] < 0.7 * scores[1]


def test_source_training_is_deterministic_and_leaves_torchs_generator():
    source = pool(10)
    state = torch.random.get_rng_state()
    weights = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Linear(20, 8), nn.Dropout(0.2), nn.ReLU())
        learner = Transfer(network, 8)
        transfer_train(learner, source.inputs, source.labels, steps=20, seed=seed)
        weights.append(torch.cat([w.flatten() for w in learner.state_dict().values()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(state, torch.random.get_rng_state())


def test_best_weights_are_those_of_the_best_validation_after_adaptation():
    source = pool(20)
    validate = pool(10, seed=1).draw(np.random.default_rng(0), ways=3, shots=2, queries=5, episodes=20)
    torch.manual_seed(0)
    learner = Transfer(nn.Sequential(nn.Linear(20, 16), nn.ReLU()), 16, tune="head", steps=3)
    found = transfer_train(
        learner, source.inputs, source.labels, steps=60, rate=0.05, validate=[validate], every=0.2
    )
    assert len(found.judged) >= 5
    assert evaluate(learner, [validate]).mean == max(past.score for past in found.judged)


def test_classes_that_tasks_have_in_common_start_from_the_common_head():
    table = long_table()
    places = (table.y > 0.5).long()
    torch.manual_seed(0)
    learner = Transfer(nn.Sequential(nn.Linear(5, 32), nn.ReLU()), 32, outputs=2, steps=0)
    transfer_train(learner, table.inputs, places, table.tasks, steps=200, rate=1e-2)
    adapted = learner.adapt(table.inputs[:2], torch.tensor([0, 1]))
    assert (adapted.predict(table.inputs).argmax(-1) == places).double().mean() > 0.65


# Refusals


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tune": "some"}, "tune is one of"),
        ({"optimizer": "lbfgs"}, "optimizer is one of"),
        ({"start": "zeros"}, "cosine"),
        ({"steps": -1}, "steps=-1"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"pull": -1.0}, "pull=-1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, named):
    with pytest.raises(OptionError, match=named):
        Transfer(nn.Identity(), 3, **options)
    assert set(RULES) == {"adam", "sgd"}


def test_tasks_that_a_head_cannot_serve_are_refused():
    x, numbers, places = torch.randn(4, 3), torch.randn(4), torch.tensor([0, 1, 2, 0])
    with pytest.raises(OptionError, match="outputs=1"):
        Transfer(nn.Identity(), 3).adapt(x, numbers)
    with pytest.raises(OptionError, match="3 ways"):
        Transfer(nn.Identity(), 3, outputs=2).adapt(x, places)
    with pytest.raises(OptionError, match="numbers"):
        Transfer(nn.Identity(), 3, outputs=2).adapt(x, numbers)


@pytest.mark.parametrize(
    ("outputs", "labels", "named"),
    [
        (None, torch.randn(4), "integer class codes"),
        (1, torch.tensor([0, 1, 0, 1]), "learns numbers"),
        (2, torch.tensor([0, 1, 2, 1]), "from 0 to 2"),
        (1, torch.tensor([0.0, float("nan"), 1.0, 1.0]), "NaN"),
        (1, torch.randn(3), "3 labels"),
    ],
)
def test_source_rows_that_do_not_fit_are_refused(outputs, labels, named):
    learner = Transfer(nn.Linear(3, 2), 2, outputs=outputs)
    with pytest.raises(DataError, match=named):
        transfer_train(learner, torch.randn(4, 3), labels, steps=1)


def test_episodes_with_batch_normalisation_read_running_statistics():
    torch.manual_seed(0)
    learner = Transfer(nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.ReLU()), 8, tune="whole")
    source = pool(10)
    transfer_train(learner, source.inputs, source.labels, steps=30)
    kept = learner.encoder[1].running_mean.clone()
    episodes: Episodes = source.draw(np.random.default_rng(0), ways=3, shots=1, queries=4, episodes=2)
    found: Tensor = learner.predict(episodes)
    assert torch.equal(learner.encoder[1].running_mean, kept)
    assert torch.allclose(learner.predict(episodes[:1]), found[:1], atol=1e-5)
