"""`sharewise.balancing.backward`: what it leaves in ``.grad``, by every mode, on hand-made and small networks."""

import numpy as np
import pytest
import torch
from torch import nn

from sharewise.balancing import BALANCERS, Weighting
from sharewise.balancing._backward import backward
from sharewise.errors import DataError, OptionError
from sharewise.networks import heads as stacked_heads

MODES = ("last-layer", "exact", "features")
WEIGHTS = (0.2, -0.5, 2.0)


class Fixed(Weighting):
    name = "fixed"

    def __init__(self, weights=WEIGHTS):
        super().__init__(norm="raw")
        self.weights = np.array(weights)

    def _weights(self, gramian, seen):
        return self.weights[seen.tasks]


def mlp():
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU())


def plain_tail():
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6, bias=False))


def norm_tail():
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.LayerNorm(6), nn.Tanh())


def conv_tail():
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)),
        nn.Conv1d(1, 4, 3),
        nn.ReLU(),
        nn.Conv1d(4, 6, 2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
    )


def grouped_conv_tail():
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Conv1d(4, 6, 2, groups=2), nn.ReLU(), nn.Flatten(),
        nn.AvgPool1d(2),
    )  # fmt: skip


def conv_linear():
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)),
        nn.Conv1d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(4, 6),
        nn.ReLU(),
    )


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 6)

    def forward(self, x):
        hidden = self.first(x).relu()
        return hidden + self.second(hidden).relu()


ENCODERS = (mlp, plain_tail, norm_tail, conv_tail, grouped_conv_tail, conv_linear, Residual)
LAST = {mlp: 2, plain_tail: 1, norm_tail: 4, conv_tail: 2, grouped_conv_tail: 2, conv_linear: 2, Residual: 4}
"""How many of an encoder's last parameters are its last layer; both of the residual block are equally near."""


def setup(make, tasks=3):
    torch.manual_seed(0)
    encoder = make().double()
    heads = nn.ModuleList([nn.Linear(6, 1) for _ in range(tasks)]).double()
    return encoder, heads, torch.randn(9, 5).double(), torch.randn(9, tasks).double()


def losses_of(heads, features, targets):
    return [(head(features)[:, 0] - targets[:, task]).square().mean() for task, head in enumerate(heads)]


def rows_of(losses, parameters):
    return [
        torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        for loss in losses
    ]


def gramian_of(rows):
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    return (jacobian @ jacobian.T).numpy()


def assert_close(found, wanted):
    torch.testing.assert_close(torch.as_tensor(found), torch.as_tensor(wanted), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", ENCODERS)
def test_shared_get_the_weighted_sum_and_heads_their_own(make, mode):
    encoder, heads, x, y = setup(make)
    shared = list(encoder.parameters())
    features = encoder(x)
    losses = losses_of(heads, features, y)
    rows = rows_of(losses, shared)
    own = [rows_of([loss], list(head.parameters()))[0] for loss, head in zip(losses, heads, strict=True)]
    found = backward(losses, features, Fixed(), mode=mode)
    for place, parameter in enumerate(shared):
        assert_close(parameter.grad, sum(w * row[place] for w, row in zip(WEIGHTS, rows, strict=True)))
    for head, gradients in zip(heads, own, strict=True):
        for parameter, gradient in zip(head.parameters(), gradients, strict=True):
            assert_close(parameter.grad, gradient)
    values = np.array([float(loss.detach()) for loss in losses])
    assert found.value == pytest.approx(float(np.dot(WEIGHTS, values)))
    assert found.weights.tolist() == list(WEIGHTS)


@pytest.mark.parametrize("make", ENCODERS)
def test_gramian_of_each_mode_is_autograds(make):
    encoder, heads, x, y = setup(make)
    shared = list(encoder.parameters())
    parts = {"exact": shared, "last-layer": shared[-LAST[make] :]}
    for mode in MODES:
        features = encoder(x)
        losses = losses_of(heads, features, y)
        wanted = gramian_of(rows_of(losses, parts.get(mode, [features])))
        found = backward(losses, features, Fixed(), mode=mode)
        assert_close(found.gramian, wanted)
        assert_close(found.norms, np.sqrt(wanted.diagonal()))
        assert_close(found.cosines, wanted / np.outer(found.norms, found.norms))


def test_hand_worked_scalar_chain():
    # f = s x with x = 1; losses 3 f and -f: gradients by s are 3 and -1.
    s = nn.Parameter(torch.tensor([[2.0]]))
    a, b = nn.Parameter(torch.tensor([[3.0]])), nn.Parameter(torch.tensor([[-1.0]]))
    features = torch.ones(1, 1) @ s
    found = backward({"a": (features @ a).sum(), "b": (features @ b).sum()}, features, Fixed((1.0, 2.0)))
    assert s.grad.item() == 1.0 * 3.0 + 2.0 * -1.0
    assert (a.grad.item(), b.grad.item()) == (2.0, 2.0)
    assert found.gramian.tolist() == [[9.0, -3.0], [-3.0, 1.0]]
    assert found.value == 1.0 * 6.0 + 2.0 * -2.0


@pytest.mark.parametrize("mode", MODES)
def test_gradients_accumulate_and_scale(mode):
    encoder, heads, x, y = setup(mlp)
    parameters = [*encoder.parameters(), *heads.parameters()]

    def run(scale):
        features = encoder(x)
        return backward(losses_of(heads, features, y), features, Fixed(), mode=mode, scale=scale)

    once = run(1.0)
    first = [p.grad.clone() for p in parameters]
    half = run(0.5)
    for parameter, gradient in zip(parameters, first, strict=True):
        assert_close(parameter.grad, 1.5 * gradient)
    assert_close(half.gramian, once.gramian)
    assert half.value == once.value


@pytest.mark.parametrize("mode", MODES)
def test_absent_tasks_are_left_out(mode):
    encoder, heads, x, y = setup(mlp)
    features = encoder(x)
    first, _, third = losses_of(heads, features, y)
    found = backward({"a": first, "b": None, "c": third}, features, Fixed(), mode=mode)
    assert found.weights.tolist() == [0.2, 0.0, 2.0]
    assert np.isnan(found.gramian[1]).all()
    assert np.isfinite(found.gramian[np.ix_([0, 2], [0, 2])]).all()
    assert all(p.grad is None for p in heads[1].parameters())


@pytest.mark.parametrize("mode", MODES)
def test_the_same_twice(mode):
    def run():
        encoder, heads, x, y = setup(conv_linear)
        features = encoder(x)
        backward(losses_of(heads, features, y), features, BALANCERS["mgda"](), mode=mode)
        return [p.grad.tolist() for p in encoder.parameters()]

    assert run() == run()


@pytest.mark.parametrize("hidden", [(), (4,)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outputs", [{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 1, "c": 2}])
def test_stacked_heads_get_what_separate_ones_would(outputs, hidden, mode):
    torch.manual_seed(0)
    encoder, heads = mlp().double(), stacked_heads(outputs, 6, hidden=hidden).double()
    x = torch.randn(9, 5).double()
    features = encoder(x)
    losses = {task: part.square().mean() for task, part in heads(features, list(outputs)).items()}
    rows = rows_of(losses.values(), list(encoder.parameters()))
    own = torch.autograd.grad(sum(losses.values()), list(heads.parameters()), retain_graph=True)
    backward(losses, features, Fixed(), mode=mode)
    for place, parameter in enumerate(encoder.parameters()):
        assert_close(parameter.grad, sum(w * row[place] for w, row in zip(WEIGHTS, rows, strict=True)))
    for parameter, gradient in zip(heads.parameters(), own, strict=True):
        assert_close(parameter.grad, gradient)


def test_layers_that_heads_share_get_the_weighted_sum():
    encoder, heads, x, y = setup(mlp)
    common = nn.Linear(6, 6).double()
    for mode in MODES:
        features = encoder(x)
        losses = losses_of(heads, common(features).relu(), y)
        rows = rows_of(losses, [common.weight, *encoder.parameters()])
        common.zero_grad()
        encoder.zero_grad()
        backward(losses, features, Fixed(), mode=mode)
        assert_close(common.weight.grad, sum(w * row[0] for w, row in zip(WEIGHTS, rows, strict=True)))
        assert_close(encoder[0].weight.grad, sum(w * row[1] for w, row in zip(WEIGHTS, rows, strict=True)))


@pytest.mark.parametrize("mode", ["last-layer", "exact"])
def test_own_inputs_and_what_only_one_task_moves(mode):
    encoder, heads, _, _ = setup(mlp)
    adapter = nn.Linear(5, 5).double()  # before the encoder, of task "b" alone
    x = {"a": torch.randn(4, 5).double(), "b": torch.randn(7, 5).double(), "c": torch.randn(9, 5).double()}
    features = {task: encoder(adapter(rows) if task == "b" else rows) for task, rows in x.items()}
    losses = {task: head(features[task]).square().mean() for task, head in zip("abc", heads, strict=True)}
    shared = list(encoder.parameters())
    rows = rows_of(losses.values(), shared)
    (own,) = torch.autograd.grad(losses["b"], [adapter.weight], retain_graph=True)
    found = backward(losses, features, Fixed(), mode=mode)
    for place, parameter in enumerate(shared):
        assert_close(parameter.grad, sum(w * row[place] for w, row in zip(WEIGHTS, rows, strict=True)))
    assert_close(adapter.weight.grad, own)
    kept = [row[-2:] for row in rows] if mode == "last-layer" else rows
    assert_close(found.gramian, gramian_of(kept))


def test_features_mode_refuses_own_inputs():
    encoder, heads, x, _ = setup(mlp)
    features = {task: encoder(x) for task in "abc"}
    losses = {task: head(features[task]).square().mean() for task, head in zip("abc", heads, strict=True)}
    with pytest.raises(DataError, match="features of its own rows"):
        backward(losses, features, Fixed(), mode="features")


def test_several_features_add_up():
    encoder, heads, x, y = setup(mlp)
    other = mlp().double()
    features = (encoder(x), other(x))
    losses = losses_of(heads, features[0] + features[1], y)
    parameters = [encoder[2].weight, encoder[2].bias, other[2].weight, other[2].bias]
    wanted = gramian_of(rows_of(losses, parameters))
    assert_close(backward(losses, features, Fixed()).gramian, wanted)


def test_shared_names_the_parameters_of_the_gramian():
    encoder, heads, x, y = setup(mlp)
    for mode in ("last-layer", "exact"):
        features = encoder(x)
        losses = losses_of(heads, features, y)
        wanted = gramian_of(rows_of(losses, list(encoder[0].parameters())))
        assert_close(
            backward(losses, features, Fixed(), mode=mode, shared=encoder[0].parameters()).gramian, wanted
        )


def test_exact_without_features():
    encoder, heads, x, y = setup(mlp)
    losses = losses_of(heads, encoder(x), y)
    rows = rows_of(losses, list(encoder.parameters()))
    found = backward(losses, None, Fixed(), mode="exact", shared=encoder.parameters())
    assert_close(found.gramian, gramian_of(rows))
    assert_close(encoder[0].weight.grad, sum(w * row[0] for w, row in zip(WEIGHTS, rows, strict=True)))


@pytest.mark.parametrize("stack", [True, False])
def test_losses_as_a_vector(stack):
    encoder, heads, x, y = setup(mlp)
    features = encoder(x)
    losses = losses_of(heads, features, y)
    rows = rows_of(losses, list(encoder.parameters()))
    vector = torch.stack(losses)
    backward(vector if stack else vector * 1.0, features, Fixed())
    assert_close(encoder[0].weight.grad, sum(w * row[0] for w, row in zip(WEIGHTS, rows, strict=True)))
    assert_close(heads[1].weight.grad, rows_of([losses_of(heads, encoder(x), y)[1]], [heads[1].weight])[0][0])


def test_a_scalarizer_takes_one_plain_pass():
    encoder, heads, x, y = setup(mlp)
    wanted = torch.autograd.grad(
        sum(losses_of(heads, encoder(x), y)), [*encoder.parameters(), *heads.parameters()]
    )
    found = backward(losses_of(heads, encoder(x), y), None, BALANCERS["sum"]())
    for parameter, gradient in zip([*encoder.parameters(), *heads.parameters()], wanted, strict=True):
        assert_close(parameter.grad, gradient)
    assert found.weights.tolist() == [1.0, 1.0, 1.0]
    assert found.gramian is None
    assert found.cosines is None


def test_losses_that_are_not_finite_are_named():
    encoder, heads, x, y = setup(mlp)
    y[0, 1] = float("nan")
    features = encoder(x)
    losses = dict(zip("abc", losses_of(heads, features, y), strict=True))
    for balancer in (Fixed(), BALANCERS["sum"]()):
        with pytest.raises(DataError, match=r"not so in task 'b' \(nan\)"):
            backward(losses, features, balancer)
    assert all(p.grad is None for p in encoder.parameters())


def test_refusals():
    encoder, heads, x, y = setup(mlp)
    features = encoder(x)
    losses = losses_of(heads, features, y)
    with pytest.raises(DataError, match=r"that of task '1' was not\. Compute it outside"):
        backward([losses[0], losses[1].detach()], features, Fixed())
    with pytest.raises(DataError, match="none of the 1 tensors does"):
        backward(losses, features.detach(), Fixed())
    with pytest.raises(DataError, match="features of this very forward pass"):
        backward(losses, encoder(x), Fixed())
    with pytest.raises(DataError, match=r"that of task '0' is \(9,\)"):
        backward([features.sum(1)], features, Fixed())
    with pytest.raises(DataError, match="got 2 tasks, all absent"):
        backward([None, None], features, Fixed())
    with pytest.raises(DataError, match=r"tensor of shape \(3, 1\)"):
        backward(torch.stack(losses)[:, None], features, Fixed())
    with pytest.raises(OptionError, match="got mode='last-layer'"):
        backward(losses, None, Fixed())
    with pytest.raises(OptionError, match="mode is one of"):
        backward(losses, features, Fixed(), mode="fast")
    with pytest.raises(OptionError, match="A balancer is an instance"):
        backward(losses, features, BALANCERS["mgda"])
    assert all(p.grad is None for p in [*encoder.parameters(), *heads.parameters()])


def test_leaf_features_have_no_last_layer():
    _, heads, _, y = setup(mlp)
    features = torch.randn(9, 6).double().requires_grad_()
    with pytest.raises(DataError, match="no parameter lies there"):
        backward(losses_of(heads, features, y), features, Fixed())


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 8), nn.BatchNorm2d(8)], ids=["group", "batch"])
def test_norms_and_compiled_encoders_have_a_last_layer(norm: nn.Module, compiled: bool) -> None:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    through = torch.compile(encoder, backend="aot_eager") if compiled else encoder
    heads, x = [nn.Linear(72, 1) for _ in range(3)], torch.randn(5, 1, 8, 8)

    def gramian(mode: str) -> object:
        features = through(x)
        losses = [head(features).square().mean() for head in heads]
        return backward(losses, features, BALANCERS["mgda"](), mode=mode).gramian  # type: ignore[arg-type]

    np.testing.assert_allclose(gramian("last-layer"), gramian("exact"), rtol=1e-4, atol=1e-9)
