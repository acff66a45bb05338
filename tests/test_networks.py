"""Stacked networks and the population loop: as if each network were trained by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conformance import sample_of
from sharewise.families import FAMILIES, Run
from sharewise.families._net import Net
from sharewise.networks import StackedMLP
from sharewise.tasks import Multiclass, Regression
from sharewise.training import Data, Member, Recipe, train_population
from sharewise.training._population import _AdamW, _batches, _losses


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _net(members: int = 3, **options: object) -> StackedMLP:
    return StackedMLP(members, 4, 8, 2, generator=_generator(), **options)  # type: ignore[arg-type]


# --- StackedMLP ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [0, 5])
def test_members_are_independent(levels: int) -> None:
    net = _net(3, levels=levels).eval()
    X = torch.randn(3, 6, 4, generator=_generator(1))
    level = torch.arange(18).view(3, 6) % 5 if levels else None
    net(X, level)[1].square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad[1].abs().sum() > 0, name
        assert parameter.grad[[0, 2]].abs().sum() == 0, name


def test_a_member_is_an_ordinary_network() -> None:
    net = _net(2).eval()
    X = torch.randn(2, 5, 4, generator=_generator(1))
    for m in range(2):
        hidden = torch.relu(X[m] @ net.first[m] + net.first_bias[m])
        hidden = torch.relu(hidden @ net.second[m] + net.second_bias[m])
        torch.testing.assert_close(net(X)[m], hidden @ net.head[m] + net.head_bias[m])


def test_levels_start_almost_pooled() -> None:
    net = _net(1, levels=3).eval()
    X = torch.randn(1, 1, 4, generator=_generator(1)).expand(1, 3, 4)
    scores = net(X, torch.tensor([[0, 1, 2]]))[0]
    assert (scores[0] - scores[1]).abs().max() < 0.1
    assert not torch.equal(scores[0], scores[1])


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_leaves_out_its_rate_and_keeps_the_mean(rate: float) -> None:
    net = _net(dropout=rate).train()
    dropped = net._drop(torch.ones(3, 100, 101))
    assert dropped.shape == (3, 100, 101)
    assert (dropped == 0).float().mean() == pytest.approx(rate, abs=0.015)
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    kept = dropped[dropped > 0]
    torch.testing.assert_close(kept, kept[0].expand_as(kept))


def test_dropout_rests_outside_training_and_repeats_with_its_seed() -> None:
    hidden = torch.ones(3, 4, 5)
    assert torch.equal(_net(dropout=0.5).eval()._drop(hidden), hidden)
    assert torch.equal(_net(dropout=0.0).train()._drop(hidden), hidden)
    one, other = (_net(dropout=0.5).train()._drop(hidden) for _ in range(2))
    assert torch.equal(one, other)


# --- AdamW --------------------------------------------------------------------------------------------------


def test_adamw_is_torchs_step_by_step() -> None:
    recipe = Recipe(learning_rate=0.01, weight_decay=0.1)
    ours, theirs = _net(2), _net(2)
    mine = _AdamW(ours, recipe)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    X = torch.randn(2, 7, 4, generator=_generator(2))
    for _ in range(5):
        for net, optimizer in ((ours, mine), (theirs, reference)):
            net.zero_grad(set_to_none=True)
            net.eval()(X).square().sum().backward()
            optimizer.step()
        for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-7)


def test_members_that_leave_take_their_moments_along() -> None:
    recipe = Recipe(learning_rate=0.01, weight_decay=0.1)
    X = torch.randn(3, 7, 4, generator=_generator(2))
    whole, fewer = _net(3).eval(), _net(3).eval()
    optimizers = _AdamW(whole, recipe), _AdamW(fewer, recipe)
    keep = torch.tensor([True, False, True])
    for step in range(6):
        if step == 3:
            fewer.keep(keep)
            optimizers[1].keep(keep)
        for net, optimizer in zip((whole, fewer), optimizers, strict=True):
            net.zero_grad(set_to_none=True)
            inputs = X if len(net.first) == 3 else X[keep]
            net(inputs).square().sum().backward()
            optimizer.step()
    for left, right in zip(whole.parameters(), fewer.parameters(), strict=True):
        torch.testing.assert_close(left[keep], right)


# --- losses and batches -------------------------------------------------------------------------------------


def _mixed_data(n: int = 12) -> Data:
    rng = np.random.default_rng(3)
    Y = np.column_stack([rng.normal(size=n), rng.integers(0, 3, size=n)])
    Y[::3, 0] = np.nan
    Y[1::4, 1] = np.nan
    return Data(
        torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float32)),
        torch.from_numpy(Y.astype(np.float32)),
        None,
        ((0, 1), (1, 4)),
        (False, True),
    )


def test_masked_losses_are_those_of_labelled_rows_alone() -> None:
    data = _mixed_data()
    scores = torch.randn(1, 12, 4, generator=_generator(4))
    found = _losses(scores, data.Y[None], data)[0]
    number, code = data.Y[:, 0], data.Y[:, 1]
    known, classed = ~number.isnan(), ~code.isnan()
    by_hand = 0.5 * (scores[0, known, 0] - number[known]).square().mean()
    torch.testing.assert_close(found[0], by_hand)
    torch.testing.assert_close(
        found[1], torch.nn.functional.cross_entropy(scores[0, classed, 1:], code[classed].long())
    )


def test_gaps_send_no_gradient() -> None:
    data = _mixed_data()
    scores = torch.randn(1, 12, 4, generator=_generator(4), requires_grad=True)
    _losses(scores, data.Y[None], data).sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert scores.grad[0, data.Y[:, 0].isnan(), 0].abs().sum() == 0
    assert scores.grad[0, data.Y[:, 1].isnan(), 1:].abs().sum() == 0


def test_a_target_without_labels_costs_nothing() -> None:
    data = _mixed_data()
    truth = data.Y.clone()
    truth[:, 0] = torch.nan
    assert _losses(torch.zeros(1, 12, 4), truth[None], data)[0, 0] == 0


def test_an_epoch_visits_every_row_and_only_a_members_own() -> None:
    rows = [torch.arange(0, 40), torch.arange(100, 107)]
    batches = torch.cat(_batches(rows, _generator()), dim=1)
    assert set(batches[0].tolist()) <= set(range(40))
    assert len(set(batches[0].tolist())) == batches.shape[1], "no row twice before all came once"
    assert set(batches[1].tolist()) == set(range(100, 107)), "the smaller member starts over"


# --- the population -----------------------------------------------------------------------------------------


def _train(
    members: list[Member], data: Data, **recipe: object
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    options = {"width": 8, "dropout": 0.0, "epochs": 6, "patience": 100} | recipe
    trained = train_population(
        data,
        members,
        Recipe(**options),  # type: ignore[arg-type]
        levels=0,
        seed=5,
        on_step=lambda: None,
    )
    return trained.weights, trained.epochs


def test_one_member_trains_as_a_plain_torch_loop_would() -> None:
    data = _mixed_data(32)
    train, valid = np.arange(24), np.arange(24, 32)
    weights, epochs = _train([Member(train, valid, (0,), group=0)], data)
    generator = _generator(5)
    net = StackedMLP(1, 4, 8, 4, dropout=0.0, generator=generator)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    history = []
    for _ in range(6):
        for rows in _batches([torch.from_numpy(train)], generator):
            optimizer.zero_grad()
            _losses(net(data.X[rows]), data.Y[rows], data)[:, 0].sum().backward()
            optimizer.step()
        with torch.no_grad():
            loss = _losses(net(data.X[valid][None]), data.Y[valid][None], data)[0, 0].item()
        history.append((loss, {name: value.detach().clone() for name, value in net.named_parameters()}))
    best = min(range(6), key=lambda epoch: history[epoch][0])
    assert epochs.tolist() == [[best + 1]]
    for name, value in weights.items():
        torch.testing.assert_close(value[:, 0], history[best][1][name], rtol=1e-5, atol=1e-6)


def test_a_members_weights_depend_on_its_own_rows_only() -> None:
    data = _mixed_data(32)
    one = Member(np.arange(16), np.arange(16, 20), (0,), group=0)
    other = Member(np.arange(20, 28), np.arange(28, 32), (1,), group=1)
    before, _ = _train([one, other], data, epochs=1)
    changed = data.Y.clone()
    changed[20:, 1] = (changed[20:, 1] + 1) % 3
    after, _ = _train([one, other], Data(data.X, changed, None, data.columns, data.is_class), epochs=1)
    for name in before:
        assert torch.equal(before[name][0], after[name][0]), name
    assert any(not torch.equal(before[name][1], after[name][1]) for name in before)


def test_each_target_keeps_the_weights_of_its_own_best_epoch() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    Y = np.column_stack([X[:, 0] * 2, rng.normal(size=60)]).astype(np.float32)  # learnable, and noise
    data = Data(torch.from_numpy(X), torch.from_numpy(Y), None, ((0, 1), (1, 2)), (False, False))
    weights, epochs = _train(
        [Member(np.arange(40), np.arange(40, 60), (0, 1), group=0)], data, epochs=60, learning_rate=0.01
    )
    learnt, noise = epochs[0].tolist()
    assert learnt > noise, "noise stops early, what can be learnt goes on"
    assert weights["first"].shape[:2] == (1, 2)
    assert not torch.equal(weights["first"][0, 0], weights["first"][0, 1])


def test_training_repeats_with_its_seed_and_stops_when_told() -> None:
    data = _mixed_data(32)
    members = [Member(np.arange(24), np.arange(24, 32), (0, 1), group=0)]
    one, other = _train(members, data, dropout=0.3)[0], _train(members, data, dropout=0.3)[0]
    for name in one:
        assert torch.equal(one[name], other[name])

    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    with pytest.raises(Enough):
        train_population(data, members, Recipe(width=8), levels=0, seed=0, on_step=stop)


# --- NumPy serving ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("kind", [Regression(), Multiclass(classes=("a", "b"))], ids=["number", "class"])
def test_numpy_net_computes_what_torch_does(levels: int, kind: Regression | Multiclass) -> None:
    net = StackedMLP(2, 4, 8, kind.width, levels=levels, generator=_generator(7)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=_generator(8)))
    X = torch.randn(9, 4, generator=_generator(9))
    level = torch.arange(9) % 3 if levels else None
    with torch.no_grad():
        scores = net(X.expand(2, 9, 4), None if level is None else level.expand(2, 9)).double()
        expected = torch.softmax(scores, dim=-1) if isinstance(kind, Multiclass) else scores
    weights = {name: value.detach().numpy() for name, value in net.named_parameters()}
    optional = {name: weights.get(name) for name in ("level_embedding", "level_head", "level_bias")}
    plain = {name: weights[name] for name in weights if name not in optional}
    served = Net(
        **plain,
        **optional,
        serves=np.array([[0, 1]]),
        constant=np.zeros((1, kind.width)),
        kind=kind,
    )
    codes = None if level is None else level.numpy()
    for member in range(2):
        np.testing.assert_allclose(served.member(member, X.numpy(), codes), expected[member], atol=1e-5)
    np.testing.assert_allclose(served.predict(X.numpy(), codes), expected.mean(dim=0), atol=1e-5)


def test_splitting_a_population_by_memory_keeps_every_task_served(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, network = sample_of("wide_regression"), FAMILIES["network"]
    (configuration, *_) = network.configurations(None, effort=0, together=False)  # type: ignore[arg-type]
    monkeypatch.setattr("sharewise.families._network.CELLS", 1)  # one member a piece
    fit = network.alone(sample, configuration, Run(0, effort=0))
    for place, values in enumerate(fit.held_out):
        y = sample.labels[:, place]
        known = ~np.isnan(y)
        assert np.isfinite(values[known]).all()
        assert np.corrcoef(values[known, 0], y[known])[0, 1] > 0.3
