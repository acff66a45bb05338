"""Heads, stacked and separate: the same numbers as one linear layer after another."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sharewise.errors import OptionError
from sharewise.networks import HardSharing, SeparateHeads, StackedHeads, heads, mlp

UNEVEN = {"b": 3, "a": 1, "d": 3, "c": 3}


def unstacked(stack: StackedHeads) -> dict[str, nn.Sequential]:
    """Each task's layers cut out of the stack, by the rule of its docstring."""
    order = sorted(stack.tasks, key=lambda task: (stack.outputs[task], task))
    found = {}
    for task in stack.tasks:
        layers: list[nn.Module] = []
        for place, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
            sizes = [stack.hidden[place] if place < len(stack.hidden) else stack.outputs[t] for t in order]
            at = order.index(task)
            span = slice(sum(sizes[:at]), sum(sizes[: at + 1]))
            layer = nn.Linear(weight.shape[1], sizes[at])
            layer.load_state_dict({"weight": weight[span], "bias": bias[span]})
            layers += [nn.ReLU(), layer] if layers else [layer]
        found[task] = nn.Sequential(*layers)
    return found


@pytest.mark.parametrize("chosen", [("b", "a", "d", "c"), ("c", "b"), ("a",)])
@pytest.mark.parametrize("places", [(), (5,)])
@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
def test_stacked_is_one_after_another(hidden, places, chosen):
    torch.manual_seed(0)
    stack = heads(UNEVEN, 8, hidden=hidden)
    loop = SeparateHeads(unstacked(stack))
    common = torch.randn(7, *places, 8)
    own = {task: torch.randn(7 if task != "d" else 2, *places, 8) for task in UNEVEN}
    for features in (common, own):
        found, wanted = stack(features, chosen), loop(features, chosen)
        assert tuple(found) == chosen
        for task in chosen:
            torch.testing.assert_close(found[task], wanted[task])


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("places", [(), (5,)])
def test_rows_by_their_own_task(hidden, places):
    torch.manual_seed(0)
    stack = heads({"z": 2, "y": 2, "x": 2}, 8, hidden=hidden)
    features, task = torch.randn(6, *places, 8), torch.tensor([2, 0, 1, 1, 0, 2])
    found = stack.rows(features, task)
    for row, place in enumerate(task):
        name = stack.tasks[place]
        torch.testing.assert_close(found[row], stack(features[row : row + 1], [name])[name][0])


def test_rows_need_equal_outputs():
    with pytest.raises(OptionError, match=r"equal outputs; got \[1, 3\]"):
        heads(UNEVEN, 8).rows(torch.zeros(2, 8), torch.tensor([0, 1]))


def test_a_loss_moves_its_own_slice_alone():
    stack = heads({"a": 2, "b": 2, "c": 2}, 4)
    stack(torch.randn(5, 4), ["a", "b", "c"])["b"].sum().backward()
    assert stack.weights[0].grad is not None
    assert stack.weights[0].grad.view(3, -1).any(dim=1).tolist() == [False, True, False]


def test_state_dict_does_not_depend_on_the_order_of_tasks():
    one, other = heads({"a": 1, "b": 2, "c": 1}, 4), heads({"c": 1, "b": 2, "a": 1}, 4)
    other.load_state_dict(one.state_dict())
    x = torch.randn(3, 4)
    for task in "abc":
        assert torch.equal(one(x, [task])[task], other(x, [task])[task])


def test_starts_as_linear_layers_start():
    torch.manual_seed(0)
    weight = heads(dict.fromkeys("abcdefgh", 50), 64).weights[0]
    assert weight.abs().max() <= 1 / 8
    assert weight.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.02)


def test_counts_are_those_of_single_heads():
    stack = heads(UNEVEN, 8, hidden=(6,))
    for task, module in unstacked(stack).items():
        assert stack.count_of(task) == sum(p.numel() for p in module.parameters())


def test_users_modules_stay_the_users():
    mine = {"a": nn.Linear(4, 2), "keys.0": nn.Linear(4, 1)}
    network = HardSharing(nn.Linear(3, 4), mine)
    assert list(network.task_parameters("a")) == list(mine["a"].parameters())
    assert set(network.state_dict()) >= {"heads.of.for_a.weight", "heads.of.for_keys%2E0.weight"}
    x = torch.randn(5, 3)
    assert torch.equal(network(x)["keys.0"], mine["keys.0"](network.encoder(x)))


def test_gradients_of_a_plain_sum_are_those_of_a_loop():
    torch.manual_seed(0)
    stack, encoder = heads(dict.fromkeys("abcd", 2), 8), mlp(3, [8])
    x = torch.randn(6, 3)
    slopes = []
    for each in (stack, SeparateHeads(unstacked(stack))):
        network = HardSharing(encoder, each)
        losses = [F.mse_loss(out, torch.ones_like(out)) for out in network(x).values()]
        slopes.append(torch.autograd.grad(sum(losses), list(encoder.parameters())))
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: heads({}, 4), "at least one task; got none"),
        (lambda: heads({"a": 0}, 4), r"those of task 'a' are \(4, 0\)"),
        (lambda: heads({1: 2}, 4), "name is a string; got 1"),
        (lambda: SeparateHeads({"a": 3}), "task 'a' has 3"),
        (lambda: HardSharing(nn.Identity(), {}), "at least one task; got none"),
        (lambda: HardSharing(nn.Identity(), [nn.Linear(1, 1)]), "got a list of 1"),
        (
            lambda: SeparateHeads(dict.fromkeys("ab", nn.Linear(2, 2))),
            "'a' and 'b' were given the same weights",
        ),
    ],
)
def test_refused_heads(build, message):
    with pytest.raises(OptionError, match=message):
        build()


@pytest.mark.parametrize("given", ["stacked", "separate"])
def test_a_width_that_does_not_fit(given):
    def made(width):
        return heads({"a": 2}, width) if given == "stacked" else {"a": nn.Linear(width, 2)}

    with pytest.raises(OptionError, match=r"features are 8 wide, the head of task 'a' takes 5"):
        HardSharing(mlp(3, [8]), made(5))

    class Opaque(nn.Module):
        def forward(self, x):
            return x[:, :2]

    network = HardSharing(Opaque(), made(5))  # not seen before the first rows
    with pytest.raises(OptionError, match=r"the head of task 'a'.*shape \(4, 2\)"):
        network(torch.zeros(4, 3))
