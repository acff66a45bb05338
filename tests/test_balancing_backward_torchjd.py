"""Balanced backward passes beside TorchJD's, and TorchJD's instances as balancers."""

import numpy as np
import pytest
import torch
from torch import nn

from sharewise.balancing._backward import backward
from sharewise.errors import OptionError

aggregation = pytest.importorskip("torchjd.aggregation")
autojac = pytest.importorskip("torchjd.autojac")
scalarization = pytest.importorskip("torchjd.scalarization")


def setup():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU())
    heads = nn.ModuleList([nn.Linear(6, 1) for _ in range(3)])
    return encoder, heads, torch.randn(9, 5), torch.randn(9, 3)


def losses_of(heads, features, targets):
    return [(head(features)[:, 0] - targets[:, task]).square().mean() for task, head in enumerate(heads)]


def gradients(*modules):
    return [p.grad.clone() for module in modules for p in module.parameters()]


def clear(*modules):
    for module in modules:
        module.zero_grad()


@pytest.mark.parametrize("name", ["UPGrad", "MGDA", "AlignedMTL", "IMTLG", "Mean", "GradDrop", "TrimmedMean"])
def test_exact_is_mtl_backward_and_jac_to_grad(name):
    encoder, heads, x, y = setup()
    make = getattr(aggregation, name)
    aggregator = make(1) if name == "TrimmedMean" else make()
    features = encoder(x)
    autojac.mtl_backward(losses_of(heads, features, y), features=features)
    torch.manual_seed(1)
    autojac.jac_to_grad(list(encoder.parameters()), aggregator)
    wanted = gradients(encoder, heads)
    clear(encoder, heads)
    features = encoder(x)
    torch.manual_seed(1)
    found = backward(
        losses_of(heads, features, y), features, aggregator, mode="exact", shared=encoder.parameters()
    )
    for gradient, other in zip(gradients(encoder, heads), wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)
    assert np.isfinite(found.gramian).all()


def test_weightings_and_aggregators_serve_every_mode():
    for balancer in (
        aggregation.UPGradWeighting(),
        aggregation.MGDA(),
        aggregation.SumWeighting(),
        aggregation.Sum(),
    ):
        for mode in ("last-layer", "features", "exact"):
            encoder, heads, x, y = setup()
            features = encoder(x)
            found = backward(losses_of(heads, features, y), features, balancer, mode=mode)
            jacobian = torch.linalg.cholesky(torch.from_numpy(found.gramian).float() + 1e-9 * torch.eye(3))
            given = (
                torch.from_numpy(found.gramian).float()
                if "Weighting" in type(balancer).__name__
                else jacobian
            )
            if type(balancer).__name__ == "SumWeighting":
                given = jacobian
            if isinstance(balancer, aggregation.Aggregator):
                weighting = getattr(balancer, "gramian_weighting", None)
                wanted = (
                    weighting(jacobian @ jacobian.T)
                    if weighting is not None
                    else balancer.weighting(jacobian)
                )
            else:
                wanted = balancer(given)
            np.testing.assert_allclose(found.weights, wanted.numpy(), atol=2e-3)


def test_without_weights_only_exact_will_do():
    encoder, heads, x, y = setup()
    features = encoder(x)
    losses = losses_of(heads, features, y)
    with pytest.raises(OptionError, match="GradDrop got mode='last-layer'"):
        backward(losses, features, aggregation.GradDrop())
    assert np.isnan(backward(losses, features, aggregation.GradDrop(), mode="exact").weights).all()


def test_scalarizers_take_one_plain_pass():
    encoder, heads, x, y = setup()
    for scalarizer in (scalarization.Mean(), scalarization.GeometricMean()):
        losses = losses_of(heads, encoder(x), y)
        total = scalarizer(torch.stack(losses))
        wanted = torch.autograd.grad(total, [*encoder.parameters(), *heads.parameters()], retain_graph=True)
        by_loss = torch.autograd.grad(total, losses)
        clear(encoder, heads)
        found = backward(losses_of(heads, encoder(x), y), None, scalarizer)
        for gradient, other in zip(gradients(encoder, heads), wanted, strict=True):
            torch.testing.assert_close(gradient, other)
        np.testing.assert_allclose(found.weights, [float(g) for g in by_loss], rtol=1e-6)
        assert found.value == pytest.approx(total.item())
