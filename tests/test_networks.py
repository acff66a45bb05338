"""Stacked networks: each member an ordinary network, the written-out gradient that of autograd, and served
by NumPy as trained by torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sharewise.families._net import Net, committee
from sharewise.networks import StackedMLP
from sharewise.tasks import Multiclass, Regression


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _net(members: int = 3, outputs: int = 2, **options: object) -> StackedMLP:
    generators = [_generator(seed) for seed in range(members)]
    return StackedMLP.start(4, 8, outputs, generators=generators, **options)  # type: ignore[arg-type]


def _moved(net: StackedMLP) -> StackedMLP:
    """With no weight at its start, where some are zero."""
    for place, value in enumerate(net.tensors().values()):
        value += 0.1 * torch.randn(value.shape, generator=_generator(place), dtype=value.dtype)
    return net


def _wanting_gradients(net: StackedMLP) -> StackedMLP:
    return StackedMLP(**{name: value.clone().requires_grad_() for name, value in net.tensors().items()})


# --- the forward pass ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [0, 5])
def test_members_are_independent(levels: int) -> None:
    net = _wanting_gradients(_moved(_net(3, levels=levels)))
    X = torch.randn(3, 6, 4, generator=_generator(1))
    level = torch.arange(18).view(3, 6) % 5 if levels else None
    net.forward(X, level).scores[1].square().sum().backward()  # type: ignore[no-untyped-call]
    for name, value in net.tensors().items():
        assert value.grad is not None, name
        assert value.grad[1].abs().sum() > 0, name
        assert value.grad[[0, 2]].abs().sum() == 0, name


def test_a_member_is_an_ordinary_network() -> None:
    net = _net(2)
    X = torch.randn(2, 5, 4, generator=_generator(1))
    scores = net.forward(X).scores
    for m in range(2):
        hidden = torch.relu(X[m] @ net.first[m] + net.first_bias[m])
        hidden = torch.relu(hidden @ net.second[m] + net.second_bias[m])
        torch.testing.assert_close(scores[m], hidden @ net.head[m] + net.head_bias[m])


def test_a_members_start_is_its_own_generators() -> None:
    three, one = _net(3, levels=2), StackedMLP.start(4, 8, 2, generators=[_generator(1)], levels=2)
    for name, value in one.tensors().items():
        assert torch.equal(three.tensors()[name][1:2], value), name
    assert three.first.abs().max() <= 0.5, "one over the root of four inputs"


def test_levels_start_almost_pooled() -> None:
    net = _net(1, levels=3)
    X = torch.randn(1, 1, 4, generator=_generator(1)).expand(1, 3, 4)
    scores = net.forward(X, torch.tensor([[0, 1, 2]])).scores[0]
    assert (scores[0] - scores[1]).abs().max() < 0.1
    assert not torch.equal(scores[0], scores[1])


def test_some_members_compute_what_they_did_among_all() -> None:
    net = _moved(_net(5, levels=3))
    X = torch.randn(5, 6, 4, generator=_generator(1))
    level = torch.arange(30).view(5, 6) % 3
    whole = net.forward(X, level).scores
    for which in (slice(1, 4), torch.tensor([True, False, True, False, True])):
        part = net.members(which)
        assert len(part) == len(whole[which])
        torch.testing.assert_close(part.forward(X[which], level[which]).scores, whole[which])


# --- the backward pass --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("dropout", [False, True])
def test_the_written_out_gradient_is_autograds(outputs: int, levels: int, dropout: bool) -> None:
    net = _moved(_net(3, outputs, levels=levels, dtype=torch.float64))
    X = torch.randn(3, 7, 4, generator=_generator(1), dtype=torch.float64)
    slope = torch.randn(3, 7, outputs, generator=_generator(2), dtype=torch.float64)
    level = torch.arange(21).view(3, 7) % 3 if levels else None
    scale = torch.tensor([1.0, 1.25, 2.0], dtype=torch.float64)[:, None, None] if dropout else None
    masks = None
    if scale is not None:
        masks = (torch.rand(2, 3, 7, 8, generator=_generator(3)) > 0.4) * scale
    into = net.zeros()
    net.backward(net.forward(X, level, masks), slope, into, scale)

    traced = _wanting_gradients(net)
    hidden = X @ traced.first + traced.first_bias
    member = torch.arange(3)[:, None]
    if level is not None:
        hidden = hidden + traced.level_embedding[member, level]  # type: ignore[index]
    one = 1.0 if masks is None else masks[0]
    two = 1.0 if masks is None else masks[1]
    hidden = torch.relu(torch.relu(hidden) * one @ traced.second + traced.second_bias) * two
    scores = hidden @ traced.head + traced.head_bias
    if level is not None:
        scores = scores + torch.einsum("mbh,mbho->mbo", hidden, traced.level_head[member, level])  # type: ignore[index]
        scores = scores + traced.level_bias[member, level]  # type: ignore[index]
    (scores * slope).sum().backward()  # type: ignore[no-untyped-call]
    for name, value in traced.tensors().items():
        assert value.grad is not None, name
        torch.testing.assert_close(
            into.tensors()[name], value.grad, msg=lambda text, name=name: f"{name}: {text}"
        )


# --- NumPy serving ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("kind", [Regression(), Multiclass(classes=("a", "b"))], ids=["number", "class"])
def test_numpy_net_computes_what_torch_does(levels: int, kind: Regression | Multiclass) -> None:
    net = _moved(_net(2, kind.width, levels=levels))
    X = torch.randn(9, 4, generator=_generator(9))
    level = torch.arange(9) % 3 if levels else None
    scores = net.forward(X.expand(2, 9, 4), None if level is None else level.expand(2, 9)).scores.double()
    mean, spread = np.zeros(2), np.ones(2)
    if isinstance(kind, Regression):
        mean, spread = np.array([3.0, -1.0]), np.array([0.5, 2.0])
    expected = scores * torch.from_numpy(spread)[:, None, None] + torch.from_numpy(mean)[:, None, None]
    if isinstance(kind, Multiclass):
        expected = torch.softmax(scores, dim=-1)
    members = [{name: value[m] for name, value in net.tensors().items()} for m in range(2)]
    served = Net(
        **committee(members, mean, spread),
        serves=np.array([[0, 1]]),
        constant=np.zeros((1, kind.width)),
        kind=kind,
    )
    codes = None if level is None else level.numpy()
    for member in range(2):
        np.testing.assert_allclose(served.member(member, X.numpy(), codes), expected[member], atol=1e-5)
    np.testing.assert_allclose(served.predict(X.numpy(), codes), expected.mean(dim=0), atol=1e-5)
