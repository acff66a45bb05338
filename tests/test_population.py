"""The population loop: every network as if it were trained by itself, and as a plain torch loop would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from conformance import case, sample_of
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Configuration, OutOfTime, Run, StackedFamily, configuration
from sharewise.networks import StackedMLP
from sharewise.training import Data, Member, Recipe, Trained, train_population
from sharewise.training._geometry import Geometry, geometry, round_up
from sharewise.training._judge import Judge
from sharewise.training._optimizer import StackedAdamW
from sharewise.training._outputs import Labels, Outputs, Slots
from sharewise.training._programs import blocks, programs
from sharewise.training._randomness import Batches, Dropout, Source, start_noise
from sharewise.training._shelf import Shelf

CPU = torch.device("cpu")


def _mixed(n: int = 240, *, levels: int = 0, dtype: torch.dtype = torch.float32) -> Data:
    """Two numbers, two and three classes, each with gaps of its own; something to learn in all but the
    second number."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 4))
    level = rng.integers(0, levels, size=n) if levels else None
    shift = 0.0 if level is None else 0.3 * level
    Y = np.column_stack(
        [
            X[:, 0] + shift + 0.3 * rng.normal(size=n),
            rng.normal(size=n),
            (X[:, 1] > 0.0).astype(float),
            np.digitize(X[:, 2] + X[:, 3], [-0.5, 0.5]).astype(float),
        ]
    )
    for target in range(4):
        Y[target :: 5 + target, target] = np.nan
    return Data(
        torch.from_numpy(X).to(dtype),
        torch.from_numpy(Y).to(dtype),
        None if level is None else torch.from_numpy(level),
        ((0, 1), (1, 2), (2, 4), (4, 7)),
        (False, False, True, True),
    )


def _folds(rows: np.ndarray, targets: tuple[int, ...], group: int, **options: object) -> list[Member]:
    """A group of three folds."""
    part = np.arange(len(rows)) % 3
    return [
        Member(rows[part != k], rows[part == k], targets, group, seed=100 * group + k, **options)  # type: ignore[arg-type]
        for k in range(3)
    ]


def _zoo() -> list[Member]:
    """Groups that differ in whatever members may differ in, unequal row counts among them."""
    rows = np.random.default_rng(0).permutation(240)
    return [
        *_folds(rows, (0,), 0),
        *_folds(rows, (0,), 1, learning_rate=0.01, dropout=0.0),
        *_folds(rows[:40], (1,), 2, dropout=0.4),
        *_folds(rows[:23], (0,), 3, weight_decay=0.3),
        *_folds(rows, (2,), 4, learning_rate=0.005, weight_decay=0.0),
        *_folds(rows[:90], (3,), 5),
        *_folds(rows, (0, 1, 2, 3), 6, loss_weights=(1.0, 0.2, 3.0, 0.5)),
        *_folds(rows, (0, 1, 2, 3), 7, dropout=0.25),
        *_folds(rows[100:], (1,), 8, learning_rate=0.02),
    ]


def _train(data: Data, members: list[Member], *, levels: int = 0, **recipe: object) -> list[Trained]:
    options = {"width": 8, "epochs": 12, "patience": 4} | recipe
    return train_population(data, members, Recipe(**options), levels=levels)  # type: ignore[arg-type]


def _same(one: Trained, other: Trained, **tolerance: float) -> None:
    assert one.epochs == other.epochs
    for slot in range(len(one.epochs)):
        for name, value in one.weights(slot).items():
            torch.testing.assert_close(
                value, other.weights(slot)[name], **(tolerance or {"rtol": 1e-4, "atol": 1e-5})
            )


# --- the same alone as in company ---------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [0, 5])
def test_a_group_is_trained_as_if_alone(levels: int) -> None:
    data, members = _mixed(levels=levels), _zoo()
    stacked = _train(data, members, levels=levels)
    assert len({trained.epochs for trained in stacked}) > 3, "they stop at different epochs"
    for start in range(0, len(members), 3):
        alone = _train(data, members[start : start + 3], levels=levels)
        for one, other in zip(alone, stacked[start : start + 3], strict=True):
            _same(one, other)


def test_a_member_is_trained_as_if_alone() -> None:
    data = _mixed(dtype=torch.float64)
    rows = np.arange(240)
    members = [
        Member(rows[:180], rows[180:], (0,), group, seed=group, learning_rate=0.001 * (1 + group))
        for group in range(5)
    ]
    stacked = _train(data, members, epochs=60)
    for member, trained in zip(members, stacked, strict=True):
        _same(_train(data, [member], epochs=60)[0], trained, rtol=1e-9, atol=1e-9)


def test_order_blocks_and_programs_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    data, members = _mixed(), _zoo()
    before = _train(data, members)
    order = np.random.default_rng(1).permutation(len(members))
    shuffled = _train(data, [members[place] for place in order])
    for place, trained in zip(order, shuffled, strict=True):
        _same(trained, before[place])
    for name, value in (("CACHE", 1), ("CACHE", 10**12), ("CELLS", 1)):
        monkeypatch.setattr(f"sharewise.training._programs.{name}", value)
        for one, other in zip(before, _train(data, members), strict=True):
            _same(one, other)


def test_another_groups_labels_change_nothing() -> None:
    data = _mixed()
    rows = np.arange(240)
    members = [*_folds(rows[:120], (0,), 0), *_folds(rows[120:], (0,), 1)]
    before = _train(data, members)
    changed = data.Y.clone()
    changed[120:, 0] = changed[120:, 0].flip(0)
    after = _train(replace(data, Y=changed), members)
    for place in range(3):
        _same(before[place], after[place])
    assert not torch.equal(before[3].weights(0)["first"], after[3].weights(0)["first"])


def test_each_seed_and_each_rate_makes_another_network() -> None:
    data, rows = _mixed(), np.arange(240)
    members = [
        Member(rows[:160], rows[160:], (0,), group, **options)  # type: ignore[arg-type]
        for group, options in enumerate(
            (
                {},
                {"seed": 1},
                {"learning_rate": 0.003},
                {"weight_decay": 0.5},
                {"dropout": 0.3},
                {"loss_weights": (2.0,)},
                {},
            )
        )
    ]
    found = [one.weights(0)["first"] for one in _train(data, members, epochs=1)]
    for place in range(1, 6):
        assert not torch.equal(found[0], found[place]), place
    assert torch.equal(found[0], found[6])


# --- the same as a plain loop -------------------------------------------------------------------------------


def test_one_member_trains_as_a_plain_torch_loop_would() -> None:
    data = _mixed(dtype=torch.float64)
    member = Member(
        np.arange(160),
        np.arange(160, 240),
        (0, 3),
        group=0,
        seed=4,
        learning_rate=0.004,
        weight_decay=0.2,
        dropout=0.25,
        loss_weights=(0.5, 2.0),
    )
    (trained,) = _train(data, [member], epochs=9)

    shape, source = geometry([member]), Source(member)
    start = StackedMLP.start(4, 8, 4, generators=[source.order], dtype=torch.float64)
    weights = {name: value[0].clone().requires_grad_() for name, value in start.tensors().items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.004, weight_decay=0.2)
    batches = Batches([source], shape, CPU)
    dropout = Dropout([member], start_noise([member], shape, 8, CPU), shape, 8, data.X)

    def scores(rows: torch.Tensor, one: torch.Tensor | float = 1.0, two: torch.Tensor | float = 1.0):  # type: ignore[no-untyped-def]
        hidden = torch.relu(data.X[rows] @ weights["first"] + weights["first_bias"]) * one
        hidden = torch.relu(hidden @ weights["second"] + weights["second_bias"]) * two
        return hidden @ weights["head"] + weights["head_bias"]

    def losses(out: torch.Tensor, rows: torch.Tensor) -> list[torch.Tensor]:
        number, code = data.Y[rows, 0], data.Y[rows, 3]
        known, classed = ~number.isnan(), ~code.isnan()
        return [
            0.5 * (out[known, 0] - number[known]).square().mean(),
            torch.nn.functional.cross_entropy(out[classed, 1:], code[classed].long()),
        ]

    best = [(np.inf, 0, {}), (np.inf, 0, {})]
    for epoch in range(1, 10):
        rows = batches.epoch()
        for step in range(shape.steps):
            if step % dropout.span == 0:
                masks = dropout.draw().clone()
            one, two = masks[step % dropout.span][:, 0]
            optimizer.zero_grad()
            number, code = losses(scores(rows[step, 0], one, two), rows[step, 0])
            (0.5 * number + 2.0 * code).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        held_out = torch.arange(160, 240)
        for slot, loss in enumerate(losses(scores(held_out), held_out)):
            if loss.item() < best[slot][0]:
                best[slot] = (loss.item(), epoch, {n: v.detach().clone() for n, v in weights.items()})
    assert trained.epochs == (best[0][1], best[1][1])
    for slot, columns in enumerate((slice(0, 1), slice(1, 4))):
        for name, value in trained.weights(slot).items():
            expected = best[slot][2][name]
            expected = expected[..., columns] if name.startswith("head") else expected
            torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


def test_adamw_is_torchs_step_by_step() -> None:
    rates = ((0.01, 0.1), (0.01, 0.1), (0.002, 0.0), (0.03, 0.5))
    members = [
        Member(np.arange(1), np.arange(1), (0,), 0, learning_rate=rate, weight_decay=decay)
        for rate, decay in rates
    ]
    generators = [torch.Generator().manual_seed(seed) for seed in range(4)]
    net = StackedMLP.start(4, 8, 2, generators=generators, levels=3)
    theirs = [{n: v[m].clone().requires_grad_() for n, v in net.tensors().items()} for m in range(4)]
    references = [
        torch.optim.AdamW(own.values(), lr=rate, weight_decay=decay)
        for own, (rate, decay) in zip(theirs, rates, strict=True)
    ]
    gradients, first, second = net.zeros(), net.zeros(), net.zeros()
    optimizer = StackedAdamW(net, gradients, first, second, members, 0)
    for step in range(6):
        if step == 3:  # as when others have left the population: new blocks, the same moments
            optimizer = StackedAdamW(net, gradients, first, second, members, 3)
        for name, value in gradients.tensors().items():
            value.copy_(torch.randn(value.shape, generator=generators[0]) * 10.0 ** (step - 3))
            for m in range(4):
                theirs[m][name].grad = value[m].clone()
        optimizer.step()
        for reference in references:
            reference.step()
        for name, value in net.tensors().items():
            for m in range(4):
                torch.testing.assert_close(value[m], theirs[m][name], rtol=1e-5, atol=1e-7)


# --- stopping -----------------------------------------------------------------------------------------------


def test_each_target_keeps_the_weights_of_its_own_best_epoch() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    Y = np.column_stack([X[:, 0] * 2, rng.normal(size=60)]).astype(np.float32)  # learnable, and noise
    data = Data(torch.from_numpy(X), torch.from_numpy(Y), None, ((0, 1), (1, 2)), (False, False))
    member = Member(np.arange(40), np.arange(40, 60), (0, 1), 0, learning_rate=0.01, dropout=0.0)
    (trained,) = _train(data, [member], epochs=40, patience=100)
    learnt, noise = trained.epochs
    assert learnt > noise, "noise stops early, what can be learnt goes on"
    assert not torch.equal(trained.weights(0)["first"], trained.weights(1)["first"])
    (early,) = _train(data, [member], epochs=noise, patience=100)
    for name, value in early.weights(1).items():
        assert torch.equal(value, trained.weights(1)[name])


def test_a_group_stops_after_its_patience_and_costs_no_further_steps() -> None:
    data, rows = _mixed(), np.random.default_rng(0).permutation(240)
    noise, signal = _folds(rows, (1,), 0, learning_rate=0.01), _folds(rows, (0,), 1)
    for group in (noise, signal):
        steps: list[int] = []
        found = train_population(data, group, Recipe(8, epochs=60, patience=3), on_step=steps.append)
        last = min(max(trained.epochs[0] for trained in found) + 3, 60)
        assert len(steps) == last * geometry(group).steps
        assert set(steps) == {3}
    steps = []
    train_population(data, noise + signal, Recipe(8, epochs=60, patience=3), on_step=steps.append)
    assert set(steps) == {3, 6}, "the group that stops leaves"


def test_a_member_without_labels_keeps_its_start_and_says_so() -> None:
    data = _mixed()
    blank = replace(data, Y=torch.full_like(data.Y, torch.nan))
    blank.Y[:, 0] = data.Y[:, 0]
    member = Member(np.arange(160), np.arange(160, 240), (0, 1), 0)
    X = data.X.clone()
    X[200, 0] = torch.inf
    (trained,) = _train(replace(blank, X=X), [member], epochs=2)
    assert trained.epochs[0] == 0, "no epoch had a finite loss"
    (trained,) = _train(blank, [member], epochs=2)
    assert trained.epochs[0] > 0


def test_what_a_step_raises_ends_the_training() -> None:
    class Enough(Exception):
        pass

    def stop(members: int) -> None:
        assert members == 1
        raise Enough

    member = Member(np.arange(24), np.arange(24, 32), (0, 1), 0)
    with pytest.raises(Enough):
        train_population(_mixed(), [member], Recipe(8), on_step=stop)


def test_judged_by_the_rest_of_the_group_by_hand() -> None:
    judge = Judge(torch.tensor([0, 0, 1, 0]), torch.tensor([[2.0], [4.0], [5.0], [0.0]]))
    everyone = torch.arange(4)
    found = judge(torch.tensor([[1.0], [2.0], [7.0], [0.0]]), everyone)
    # The rest of the first: 4 labels at 2 and none; of the fourth: (2 at 1 + 4 at 2) / 6.
    torch.testing.assert_close(found, torch.tensor([[2.0], [1.0], [7.0], [10 / 6]]))
    keep = torch.tensor([False, True, False, False])
    assert judge.whole_groups(keep, everyone).tolist() == [True, True, False, True]


def test_a_shelf_holds_what_was_best_for_each_slot() -> None:
    rng = np.random.default_rng(0)
    net = StackedMLP.start(1, 2, 1, generators=[torch.Generator() for _ in range(4)])
    shelf = Shelf(net, 3)
    best = np.full((4, 3), np.inf)
    when = np.zeros((4, 3), dtype=int)
    for epoch in range(1, 40):
        alive = torch.tensor([0, 2, 3]) if epoch > 20 else torch.arange(4)
        losses = rng.random((len(alive), 3)) + 1 / epoch
        losses[rng.random(losses.shape) < 0.1] = np.nan
        for value in net.tensors().values():
            value.fill_(epoch)
        shelf.update(net.members(alive), torch.from_numpy(losses).float(), alive, epoch)
        better = losses.astype(np.float32) < best[alive]
        best[alive] = np.where(better, losses.astype(np.float32), best[alive])
        when[alive] = np.where(better, epoch, when[alive])
    for member, trained in enumerate(shelf.trained(((0, 1), (0, 1), (0, 1)))):
        assert trained.epochs == tuple(when[member])
        for slot in range(3):
            assert all((value == when[member, slot]).all() for value in trained.weights(slot).values())
        assert len(trained.kept["first"]) == len(set(trained.epochs))


# --- losses -------------------------------------------------------------------------------------------------


def test_losses_are_those_of_labelled_rows_alone_and_slopes_their_gradient() -> None:
    data = _mixed(24, dtype=torch.float64)
    targets = (3, 0, 1, 2)
    slots = Slots(Labels.of(data), data, [targets], torch.tensor([[1.0, 2.0, 0.5, 3.0]], dtype=torch.float64))
    outputs = Outputs(((True, 3), (False, 1), (False, 1), (True, 2)))
    rows = torch.arange(24)[None]
    truth, weight, count = slots.gather(rows)
    scores = torch.randn(1, 24, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = outputs.losses(scores, truth, weight)[0]
    cross_entropy = torch.nn.functional.cross_entropy
    traced = scores.clone().requires_grad_()
    by_hand = []
    for target, columns in zip(targets, (slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 7)), strict=True):
        y = data.Y[:, target]
        known = ~y.isnan()
        own = traced[0, known, columns]
        if data.is_class[target]:
            by_hand.append(cross_entropy(own, y[known].long()))
        else:
            by_hand.append(0.5 * (own[:, 0] - y[known]).square().mean())
    assert count[0].tolist() == [float((~data.Y[:, target].isnan()).sum()) for target in targets]
    torch.testing.assert_close(found, torch.stack(by_hand).detach())
    sum(f * loss for f, loss in zip((1.0, 2.0, 0.5, 3.0), by_hand, strict=True)).backward()  # type: ignore[union-attr,no-untyped-call]
    assert traced.grad is not None
    torch.testing.assert_close(outputs.slope(scores.clone(), truth, slots.weighted(weight)), traced.grad)


def test_a_target_without_labels_costs_nothing() -> None:
    data = _mixed(12)
    data.Y[:, 0] = torch.nan
    slots = Slots(Labels.of(data), data, [(0,)], torch.ones(1, 1))
    truth, weight, count = slots.gather(torch.arange(12)[None])
    assert Outputs(((False, 1),)).losses(torch.ones(1, 12, 1), truth, weight).item() == 0
    assert count.item() == 0


# --- batches, dropout, programs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (5, (16, 8)),
        (128, (16, 8)),
        (250, (32, 8)),
        (1000, (128, 8)),
        (2100, (256, 8)),
        (2500, (256, 12)),
        (50_000, (256, 256)),
    ],
)
def test_the_geometry_of_an_epoch(train: int, expected: tuple[int, int]) -> None:
    found = geometry([Member(np.arange(train), np.arange(40), (0,), 0)])
    assert (found.batch, found.steps) == expected
    assert found.valid == 48


def test_sizes_are_rounded_up_to_few() -> None:
    assert [round_up(n) for n in (1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 24, 25)] == [
        1, 2, 3, 4, 6, 6, 8, 12, 12, 16, 16, 24, 24, 32,
    ]  # fmt: skip


def test_an_epoch_visits_a_members_own_rows_none_twice_before_all_came_once() -> None:
    members = [
        Member(np.arange(0, 40), np.arange(1), (0,), 0),
        Member(np.arange(100, 107), np.arange(1), (0,), 1),
    ]
    batches = Batches([Source(member) for member in members], Geometry(16, 2, 16), CPU)
    first, second = batches.epoch().transpose(0, 1).flatten(1)
    assert len(set(first.tolist())) == 32
    assert set(first.tolist()) <= set(range(40))
    for start in range(0, 28, 7):
        assert set(second[start : start + 7].tolist()) == set(range(100, 107))


def _masks(rates: tuple[float, ...], draws: int) -> tuple[torch.Tensor, Dropout]:
    """``(draws, span, 2, M, B, H)``."""
    rows = np.arange(9)
    members = [Member(rows, rows, (0,), 0, seed=seed, dropout=rate) for seed, rate in enumerate(rates)]
    shape = Geometry(16, 8, 16)
    dropout = Dropout(members, start_noise(members, shape, 64, CPU), shape, 64, torch.zeros(1))
    return torch.stack([dropout.draw().clone() for _ in range(draws)]), dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_leaves_out_its_rate_and_keeps_the_mean(rate: float) -> None:
    masks, dropout = _masks((rate, 0.0), 20)
    assert masks.shape == (20, 8, 2, 2, 16, 64)
    own, other = masks[:, :, :, 0], masks[:, :, :, 1]
    assert (own == 0).float().mean() == pytest.approx(rate, abs=0.005)
    assert own.mean() == pytest.approx(1.0, abs=0.01)
    assert own.unique().tolist() == [0.0, dropout.scale[0].item()]
    assert (other == 1).all()


def test_dropout_masks_have_nothing_to_do_with_one_another() -> None:
    """Correlation of every unit's mask with that of the next draw, step, layer, member, row, unit."""
    masks = (_masks((0.3, 0.3), 60)[0] > 0).float()
    masks = (masks - masks.mean()) / masks.std()
    for axis in range(masks.ndim):
        count = masks.shape[axis]
        for lag in (1, 2, 3, 8, 16):
            if lag < count:
                one, other = masks.narrow(axis, 0, count - lag), masks.narrow(axis, lag, count - lag)
                assert abs((one * other).mean()) < 5 / one.numel() ** 0.5, (axis, lag)
    each = masks.flatten(1).mean(dim=0) * 60**0.5
    assert each.std() == pytest.approx(1.0, abs=0.05), "no unit is left out more often than chance says"


def test_programs_hold_whole_groups_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    data, members = _mixed(), _zoo()
    found = programs(data, members, 1)
    assert sorted(place for _, places in found for place in places) == list(range(len(members)))
    assert len(found) < 9
    for shape, places in found:
        for place in places:
            group = [other for other, m in enumerate(members) if m.group == members[place].group]
            assert geometry([members[other] for other in group]) == shape
            assert set(group) <= set(places)
    monkeypatch.setattr("sharewise.training._programs.CELLS", 1)
    assert [len(places) for _, places in programs(data, members, 10)] == [3] * 9


def test_blocks_are_even_and_none_is_of_one() -> None:
    for count in (1, 2, 3, 7, 64):
        for size in (1, 10**6, 10**9):
            found = blocks(count, size, CPU)
            assert [place for piece in found for place in range(count)[piece]] == list(range(count))
            assert count == 1 or min(piece.stop - piece.start for piece in found) >= 2
    assert len(blocks(64, 1, CPU)) == len(blocks(64, 10**9, torch.device("cuda"))) == 1


def test_members_of_a_group_learn_targets_of_one_kind() -> None:
    rows = np.arange(20)
    with pytest.raises(OptionError, match="group 0 has"):
        _train(_mixed(), [Member(rows, rows, (0,), 0), Member(rows, rows, (2,), 0)])
    assert _train(_mixed(), []) == []


def test_a_networks_scale_knows_nothing_of_what_its_fold_holds_out() -> None:
    from sharewise.families._network import Cell, _data

    sample = sample_of("wide_regression")
    cells = [
        Cell((target,), 0, np.flatnonzero(sample.known(target))) for target in range(len(sample.targets))
    ]
    X = np.zeros((len(sample), 1), dtype=np.float32)
    _, before = _data(sample, X, cells)
    for fold, (_, valid) in enumerate(sample.folds):
        labels = sample.labels.copy()
        labels[valid] += 1000.0
        _, after = _data(replace(sample, labels=labels), X, cells)
        np.testing.assert_array_equal(after.mean[:, fold], before.mean[:, fold])
        np.testing.assert_array_equal(after.spread[:, fold], before.spread[:, fold])
        others = [f for f in range(len(sample.folds)) if f != fold]
        assert (after.mean.diagonal(axis1=0, axis2=2) != before.mean.diagonal(axis1=0, axis2=2))[others].all()


# --- the family ---------------------------------------------------------------------------------------------

SEVERAL = (
    configuration("mlp", width=16, dropout=0.1, learning_rate=0.002, weight_decay=0.01),
    configuration("mlp", width=16, dropout=0.0, learning_rate=0.01, weight_decay=0.01),
    configuration("mlp", width=16, dropout=0.4, learning_rate=0.002, weight_decay=0.2),
)


def _network() -> StackedFamily:
    family = FAMILIES["network"]
    assert isinstance(family, StackedFamily)
    return family


@pytest.mark.parametrize("side", ["alone", "together"])
@pytest.mark.parametrize("name", ["wide_mixed", "long_uneven", "both_at_once"])
def test_configurations_fitted_at_once_are_those_fitted_one_by_one(name: str, side: str) -> None:
    network, sample = _network(), sample_of(name)
    run = Run(5, effort=0)
    stacked = (network.alone_stacked if side == "alone" else network.together_stacked)(sample, SEVERAL, run)
    fits = 0
    for one, fit in zip(SEVERAL, stacked, strict=True):
        own = Run(5, effort=0)
        single = getattr(network, side)(sample, one, own)
        fits += own.fits
        for left, right in zip(single.held_out, fit.held_out, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5)
        before = single.model.predict(sample.table, sample.level)
        for left, right in zip(before, fit.model.predict(sample.table, sample.level), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5)
    assert run.fits == fits
    assert not np.array_equal(stacked[0].held_out[0], stacked[1].held_out[0], equal_nan=True)


def test_configurations_of_one_call_have_one_shape() -> None:
    network, sample = _network(), sample_of("wide_mixed")
    wide = configuration("mlp", width=32)
    assert network.shape(SEVERAL[0]) == network.shape(SEVERAL[1]) != network.shape(wide)
    with pytest.raises(OptionError, match=r"\[16, 32\]"):
        network.alone_stacked(sample, (SEVERAL[0], wide), Run(0, effort=0))


def test_a_deadline_ends_a_stacked_fit() -> None:
    import time

    run = Run(0, deadline=time.monotonic() + 0.05, effort=3)
    many = [Configuration("mlp", (("dropout", 0.01 * k), ("width", 64))) for k in range(20)]
    started = time.monotonic()
    with pytest.raises(OutOfTime):
        _network().alone_stacked(sample_of("wide_regression"), many, run)
    assert time.monotonic() - started < 2.0


def test_splitting_a_population_by_memory_keeps_every_task_served(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, network = sample_of("wide_regression"), _network()
    (one, *_) = network.configurations(case("wide_regression"), effort=0, together=False)
    monkeypatch.setattr("sharewise.training._programs.CELLS", 1)  # one group a program
    fit = network.alone(sample, one, Run(0, effort=0))
    for place, values in enumerate(fit.held_out):
        y = sample.labels[:, place]
        known = ~np.isnan(y)
        assert np.isfinite(values[known]).all()
        assert np.corrcoef(values[known, 0], y[known])[0, 1] > 0.3
