"""Parts of the training loop, each on values worked out by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from sharewise.errors import DataError, OptionError
from sharewise.training import gradient_cosines, linear_cka, lookahead_affinity, representation_similarity
from sharewise.training._feed import make_feed
from sharewise.training._keeper import Keeper
from sharewise.training._record import EpochSums, Score, StepReport
from sharewise.training._sampling import exponent_of, quotas, turns
from sharewise.training._seeds import number_of, seed_all, undisturbed
from training_jobs import KINDS, network, own_loaders, weights_of


def test_quotas_share_out_as_many_batches_as_there_are() -> None:
    lengths = (81, 9, 1)
    assert quotas(lengths, 1.0) == lengths
    assert quotas(lengths, 0.5) == (63, 21, 7)  # 9 : 3 : 1 of 91
    assert quotas(lengths, 0.0) == (31, 30, 30)
    assert quotas((1000, 1), 1.0) == (1000, 1)
    assert exponent_of("temperature", 4.0) == 0.25
    with pytest.raises(OptionError, match="above 0; got -1"):
        exponent_of("sqrt", -1.0)


def test_turns_lie_evenly_and_no_step_is_empty() -> None:
    found = turns((8, 4, 1), np.random.default_rng(3))
    assert found.shape == (8, 3)
    assert found.sum(axis=0).tolist() == [8, 4, 1]
    assert found[:, 0].all()
    assert found[:, 1].reshape(4, 2).sum(axis=1).tolist() == [1, 1, 1, 1]


def test_every_row_of_a_task_is_read_before_any_again() -> None:
    """Also where an epoch holds fewer of its batches than its loader has."""
    kinds = {"size": KINDS["size"], "odd": KINDS["odd"]}
    loaders = own_loaders(size=80, odd=20)
    feed = make_feed(loaders, kinds, seed=0, exponent=0.0)  # five batches each an epoch
    seen = [batch.x["size"] for epoch in range(8) for batch in feed.epoch(epoch) if "size" in batch.x]
    rows = torch.cat(seen)
    assert len(rows) == 8 * 5 * 10
    whole = loaders["size"].dataset.x  # type: ignore[attr-defined]
    for cycle in rows.split(80):
        assert torch.equal(cycle.sort(dim=0).values, whole.sort(dim=0).values)
    assert not torch.equal(rows[:80], rows[80:160])
    late = [batch.x["size"] for batch in make_feed(loaders, kinds, seed=0, exponent=0.0).epoch(5, 2)]
    assert torch.equal(torch.cat(late), rows[5 * 50 + 20 : 6 * 50])


def test_seeds_depend_on_every_part() -> None:
    assert len({number_of(a, b) for a in range(20) for b in ("x", "y", 1)}) == 60
    state = torch.get_rng_state(), random.getstate()
    with undisturbed():
        draws = []
        for parts in ((0, 1), (0, 1), (1, 0)):
            seed_all(*parts)
            draws.append((torch.rand(1).item(), random.random(), np.random.rand()))  # noqa: NPY002
    assert draws[0] == draws[1]
    assert not set(draws[0]) & set(draws[2])
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]


def scores(**losses: float) -> dict[str, Score]:
    return {task: Score(loss, 1 - loss, loss) for task, loss in losses.items()}


def test_best_epochs_patience_and_weights() -> None:
    layer = nn.Linear(1, 1, bias=False)
    keeper = Keeper(["a", "b"], "per-task", "loss", 2)
    for epoch, (a, b) in enumerate([(3, 1), (2, 2), (2, 3), (2.5, 0.5)]):
        nn.init.constant_(layer.weight, float(epoch))
        keeper.see(epoch, scores(a=a, b=b), layer)
        if epoch == 2:
            assert keeper.stopped == {"b"}
            assert sorted(keeper.weights) == [0, 1]
    assert keeper.best == {"a": 1, "b": 3}
    assert keeper.stopped == {"a"}
    assert {epoch: kept["weight"].item() for epoch, kept in keeper.weights.items()} == {1: 1.0, 3: 3.0}


def test_a_task_that_stopped_for_good_is_judged_no_more() -> None:
    keeper = Keeper(["a"], "per-task", "loss", 1, final=True)
    for epoch, loss in enumerate([1.0, 2.0, 0.5]):
        keeper.see(epoch, scores(a=loss), nn.Linear(1, 1))
    assert keeper.best == {"a": 0}


def test_one_best_epoch_goes_by_the_geometric_mean() -> None:
    keeper = Keeper(["a", "b"], "best", "loss", None)
    for epoch, (a, b) in enumerate([(100.0, 1.0), (99.0, 0.5), (90.0, 0.9)]):
        keeper.see(epoch, scores(a=a, b=b), nn.Linear(1, 1))
    assert keeper.best == {"a": 1, "b": 1}  # in plain means the last would win
    assert list(keeper.weights) == [1]


def test_a_score_that_is_not_a_number_is_never_best() -> None:
    keeper = Keeper(["a", "b"], "best", "loss", 2)
    for epoch, b in enumerate([float("nan"), 2.0]):
        keeper.see(epoch, scores(a=1.0, b=b), nn.Linear(1, 1))
    assert keeper.best == {"a": 1, "b": 1}


def test_means_are_over_the_steps_that_tell() -> None:
    sums = EpochSums.empty(2)
    first, second = StepReport.empty(2), StepReport.empty(2)
    first.totals[:], first.rows[:], first.weights[:] = [6.0, 0.0], [3, 0], [1.0, np.nan]
    second.totals[:], second.rows[:], second.weights[:] = [2.0, 5.0], [1, 5], [3.0, 2.0]
    for report in (first, second):
        sums.add(report)
    loss, weight, norm, cosines = sums.means()
    assert loss.tolist() == [2.0, 1.0]
    assert weight.tolist() == [2.0, 2.0]
    assert np.isnan(norm).all()
    assert np.isnan(cosines).all()


def twins() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Two tasks with the same target, and one with its opposite."""
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    return x, {"same": x[:, 0], "twin": x[:, 0], "other": -x[:, 0]}


def test_affinities_of_twins_and_opposites() -> None:
    from sharewise.networks import HardSharing
    from sharewise.tasks import Regression

    x, targets = twins()
    trunk = nn.Linear(5, 4)
    heads = {task: nn.Linear(4, 1) for task in targets}
    for head in heads.values():
        head.load_state_dict(heads["same"].state_dict())
    net, kinds = HardSharing(trunk, heads), dict.fromkeys(targets, Regression())
    before = weights_of(net)
    ahead = lookahead_affinity(net, x, targets, kinds, rate=0.01)
    cosines = gradient_cosines(net, x, targets, kinds)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert np.allclose(np.diag(cosines), 1.0)
    assert cosines[0, 1] == pytest.approx(1.0)
    assert np.allclose(cosines, cosines.T)
    assert (np.diag(ahead) > 0).all()
    assert ahead[0, 1] == pytest.approx(ahead[0, 0])
    assert ahead[0, 2] < ahead[0, 1]
    # A small step lowers a loss by its rate times the product of the gradients.
    outputs = net(x)
    losses = {task: (outputs[task][:, 0] - y).square().mean() for task, y in targets.items()}
    slopes = [
        torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, list(trunk.parameters()), retain_graph=True)]
        )
        for loss in losses.values()
    ]
    small = lookahead_affinity(net, x, targets, kinds, rate=1e-3)
    wanted = 1e-3 * float(slopes[0] @ slopes[2]) / losses["other"].item()
    assert small[0, 2] == pytest.approx(wanted, rel=0.05)


def test_affinities_pass_over_tasks_without_labels() -> None:
    x = torch.randn(8, 5)
    targets = {"size": torch.full((8,), float("nan")), "side": torch.zeros(8).long()}
    for found in (
        gradient_cosines(network(), x, targets, KINDS),
        lookahead_affinity(network(), x, targets, KINDS),
    ):
        assert np.isfinite(found).tolist() == [[False] * 3, [False, True, False], [False] * 3]


@pytest.mark.parametrize("rows", [6, 50])
def test_linear_cka_does_not_feel_rotation_and_scale(rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(rows, 10, generator=generator)
    turn, _ = torch.linalg.qr(torch.randn(10, 10, generator=generator))
    assert linear_cka(one, 3.0 * one @ turn + 7.0) == pytest.approx(1.0, abs=1e-5)
    assert np.isnan(linear_cka(one, torch.ones(rows, 2)))
    with pytest.raises(DataError, match="same rows; got"):
        linear_cka(one, one[1:])


def test_linear_cka_by_hand() -> None:
    x = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    y = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    # X'X = 4; Y'Y = 4 I; Y'X = (4, 0): 16 / (4 · 4 √2)
    assert linear_cka(x, y) == pytest.approx(1 / 2**0.5)
    found = representation_similarity({"a": x, "b": y, "c": y[:, 1:]})
    assert np.allclose(found, [[1, 2**-0.5, 0], [2**-0.5, 1, 2**-0.5], [0, 2**-0.5, 1]])
