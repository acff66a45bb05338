"""What every architecture must keep, one's own included; a new one joins in one line.

>>> from sharewise.networks import HardSharing
>>> check_architecture(HardSharing, layouts=["vector"])

Symbols: ``B`` rows, ``T`` tasks. Each check makes small networks of the architecture and raises `AssertionError`
with a sentence where a property does not hold. torch's generator is left as it was.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils._pytree import tree_map

from sharewise.networks._base import Features, MultiTaskNetwork, feature_tensors
from sharewise.networks._conformance_parts import (
    LAYOUTS,
    OUTPUTS,
    ROWS,
    Factory,
    Layout,
    equal,
    losses,
    moves,
    must,
    refused,
    same,
    stirred,
)


def shapes(factory: Factory, layout: Layout) -> None:
    """Each task's outputs have its head's width, tasks in their order."""
    outputs = layout.network(factory)(layout.x())
    must(tuple(outputs) == tuple(OUTPUTS), f"outputs come in the order of tasks; got {tuple(outputs)}")
    for task, count in OUTPUTS.items():
        wanted = (ROWS, *layout.places, count)
        must(tuple(outputs[task].shape) == wanted, f"'{task}' has shape {wanted}; got {outputs[task].shape}")


def gaps(factory: Factory, layout: Layout) -> None:
    """Some tasks alone get the outputs that they get beside the others."""
    network, x = layout.network(factory), layout.x()
    everything = network(x)
    for chosen in (["keys"], ["keys", "lang"]):
        same(
            network(x, chosen), {task: everything[task] for task in chosen}, "a task's outputs without others"
        )
        same(
            network.decode(network.encode(x), chosen),
            {task: everything[task] for task in chosen},
            "a task's outputs decoded from the features of all",
        )


def one_task(factory: Factory, layout: Layout) -> None:
    """A single task is no special case."""
    outputs = layout.network(factory, {"only": 2})(layout.x())
    must(tuple(outputs["only"].shape) == (ROWS, *layout.places, 2), "a single task has outputs of its width")


def fifty_tasks(factory: Factory, layout: Layout) -> None:
    """Many tasks work, with finite outputs."""
    outputs = layout.network(factory, {f"t{place}": 1 + place % 2 for place in range(50)})(layout.x(2))
    must(len(outputs) == 50, f"fifty tasks have fifty outputs; got {len(outputs)}")
    must(all(bool(each.isfinite().all()) for each in outputs.values()), "outputs are finite")


def own_inputs(factory: Factory, layout: Layout) -> None:
    """Tasks with rows of their own, of uneven numbers, get what these rows get as common inputs."""
    network = layout.network(factory)
    own = {"lang": layout.x(3), "keys": layout.x(4)}
    wanted = {task: network(x, [task])[task] for task, x in own.items()}
    same(network(own), wanted, "outputs of own inputs")
    same(network(own, ["keys"]), {"keys": wanted["keys"]}, "outputs of one task's own inputs")


def saved_and_loaded(factory: Factory, layout: Layout) -> None:
    """A state dict written by safetensors and read by another network gives the same outputs."""
    import safetensors.torch

    network, x = stirred(layout.network(factory)), layout.x()
    stored = safetensors.torch.save(
        {name: value.contiguous() for name, value in network.state_dict().items()}
    )
    other = layout.network(factory, seed=1)
    other.load_state_dict(safetensors.torch.load(stored))
    must(equal(network(x), other(x)), "a loaded network gives the outputs of the saved one")


def deterministic(factory: Factory, layout: Layout) -> None:
    """Torch's generator alone decides the weights, and running twice gives the same."""
    one, same, other = (layout.network(factory, seed=seed) for seed in (0, 0, 1))
    x = layout.x()
    must(equal(one(x), same(x)), "one seed gives the same outputs twice")
    must(equal(one(x), one(x)), "running twice gives the same outputs")
    must(not equal(one(x), other(x)), "another seed gives other outputs")


def gradients(factory: Factory, layout: Layout) -> None:
    """Every parameter is moved by some task."""
    network = stirred(layout.network(factory)).train()
    torch.autograd.backward(list(losses(network, layout.x()).values()))
    for name, parameter in network.named_parameters():
        must(moves(parameter.grad), f"a gradient reaches every parameter; none reaches {name}")


def partition(factory: Factory, layout: Layout) -> None:
    """Shared parameters are moved by several tasks; of a task's own no number by another task."""
    network = stirred(layout.network(factory))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    shared = [id(parameter) for parameter in network.shared_parameters()]
    own = {task: [id(parameter) for parameter in network.task_parameters(task)] for task in OUTPUTS}
    owned = {key for keys in own.values() for key in keys}
    must(len(set(shared)) == len(shared), "a shared parameter is given once")
    must(all(len(set(keys)) == len(keys) for keys in own.values()), "a task's parameter is given once")
    must(not owned & set(shared), "a parameter is shared or a task's own, not both")
    must(owned | set(shared) == set(names), "every parameter is shared or some task's own")
    size = network.describe()
    total = sum(parameter.numel() for parameter in network.parameters())
    must(size.total == total, f"the numbers described add up to {total}; got {size.total}")
    moved = {task: _moved(network, loss) for task, loss in losses(network, layout.x()).items()}
    for key, name in names.items():
        movers = [task for task in OUTPUTS if key in moved[task]]
        if key in owned:
            strangers = [task for task in movers if key not in own[task]]
            must(not strangers, f"{name} is of other tasks; the loss of '{strangers[:1]}' moves it")
            claims = sum((moved[task][key].int() for task in movers), torch.zeros((), dtype=torch.int))
            must(int(claims.max()) <= 1, f"no number of {name} is moved by two tasks")
        else:
            must(len(movers) > 1, f"{name} is shared; only {movers} move it")


def features(factory: Factory, layout: Layout) -> None:
    """Features alone give the outputs, and no feature is computed from another."""
    network, x = stirred(layout.network(factory)), layout.x()
    found = network.encode(x)
    tensors = feature_tensors(found)
    must(len(tensors) > 0, "features require gradients")
    same(network.decode(_detached(found)), network(x), "outputs of detached features")
    for one in tensors:
        others = [other for other in tensors if other is not one]
        if others:
            slopes = torch.autograd.grad(one.sum(), others, retain_graph=True, allow_unused=True)
            must(all(slope is None for slope in slopes), "no feature is computed from another feature")
    own = network.encode({"lang": layout.x(2), "keys": layout.x(3)})
    must(isinstance(own, dict) and set(own) == {"lang", "keys"}, "own inputs give features by task")


def copies(factory: Factory, layout: Layout) -> None:
    """Deep copies and pickles give the same outputs and share no memory."""
    network, x = layout.network(factory), layout.x()
    before = network(x)
    buffer = io.BytesIO()
    pickle.dump(network, buffer)
    for name, made in (("copy", copy.deepcopy(network)), ("pickle", pickle.loads(buffer.getvalue()))):
        must(equal(made(x), before), f"a {name} gives the same outputs")
        stirred(made)
        must(equal(network(x), before), f"a {name} shares no memory with the network")


def modes(factory: Factory, layout: Layout) -> None:
    """Training mode and back changes nothing by itself."""
    network, x = layout.network(factory), layout.x()
    before = network(x)
    network.train()
    must(all(module.training for module in network.modules()), "train() reaches every module")
    must(equal(network.eval()(x), before), "eval() after train() gives the outputs of before")


def privacy(factory: Factory, layout: Layout) -> None:
    """A task's outputs do not depend on what belongs to the other tasks alone."""
    network, x = stirred(layout.network(factory)), layout.x()
    before = network(x)["lang"]
    own = {id(parameter) for parameter in network.task_parameters("lang")}
    others = [p for task in OUTPUTS for p in network.task_parameters(task) if id(p) not in own]
    with torch.no_grad():
        for parameter in others:
            parameter.add_(torch.randn_like(parameter))
    must(torch.equal(network(x)["lang"], before), "a task's outputs do not depend on other tasks' parameters")


def refusals(factory: Factory, layout: Layout) -> None:
    """Unknown tasks and missing inputs are refused in a sentence."""
    network, x = layout.network(factory), layout.x()
    refused(lambda: network(x, ["weather"]), "weather")
    refused(lambda: list(network.task_parameters("weather")), "weather")
    refused(lambda: network({"lang": x}, ["lang", "keys"]), "keys")
    refused(lambda: network({"lang": x, "weather": x}), "weather")
    refused(lambda: network.decode(network.encode({"lang": x}), ["keys"]), "keys")


def functional(factory: Factory, layout: Layout) -> None:
    """``torch.func.functional_call`` with other weights gives what a network with these weights gives."""
    network, other, x = layout.network(factory), layout.network(factory, seed=1), layout.x()
    same(functional_call(network, dict(other.named_parameters()), (x,)), other(x), "outputs of other weights")


def learns(factory: Factory, layout: Layout) -> None:
    """Thirty steps on a few rows halve every task's loss."""
    network, x = layout.network(factory).train(), layout.x()
    before = losses(network, x)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        torch.autograd.backward(list(losses(network, x).values()))
        optimizer.step()
    for task, loss in losses(network, x).items():
        must(
            bool(loss < before[task] / 2),
            f"training lowers the loss of '{task}'; {before[task]:.3f} became {loss:.3f}",
        )


def mixed_precision(factory: Factory, layout: Layout) -> None:
    """Under autocast outputs are those of full precision, roughly, and gradients flow."""
    network, x = stirred(layout.network(factory)), layout.x()
    wanted = network(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(x)
    for task in OUTPUTS:
        close = torch.allclose(found[task].float(), wanted[task], rtol=0.1, atol=0.1)
        must(close, f"outputs under autocast are roughly those without for '{task}'")
    torch.autograd.backward([outputs.float().sum() for outputs in found.values()])


def exportable(factory: Factory, layout: Layout) -> None:
    """``torch.export`` takes the network with any number of rows; not among `CHECKS`, as it takes seconds."""
    network, x = layout.network(factory), layout.x(ROWS + 3)
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(network, (layout.x(),), dynamic_shapes=({0: rows},))
    same(program.module()(x), network(x), "outputs of the exported network")


Check = Callable[[Factory, Layout], None]
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        shapes,
        gaps,
        one_task,
        fifty_tasks,
        own_inputs,
        saved_and_loaded,
        deterministic,
        gradients,
        partition,
        features,
        copies,
        modes,
        privacy,
        refusals,
        functional,
        learns,
        mixed_precision,
    )
}
"""By name, for tests that report each by itself."""


def check_architecture(factory: Factory, *, layouts: Sequence[str] = tuple(LAYOUTS)) -> None:
    """Every check on every form of encoder.

    Args:
        factory: Called with an encoder and heads.
        layouts: Names in `LAYOUTS`: the forms of encoder that the architecture takes.

    Raises:
        AssertionError: A property does not hold.
    """
    for name in layouts:
        for check in CHECKS.values():
            run_check(check, factory, LAYOUTS[name])


def run_check(check: Check, factory: Factory, layout: Layout) -> None:
    """One check, with torch's generator set for it and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        check(factory, layout)


def _moved(network: MultiTaskNetwork, loss: Tensor) -> dict[int, Tensor]:
    """By parameter, which of its numbers a loss moves; parameters that it does not move are left out."""
    parameters = list(network.parameters())
    slopes = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {
        id(parameter): slope != 0 for parameter, slope in zip(parameters, slopes, strict=True) if moves(slope)
    }


def _detached(found: Features) -> Features:
    return tree_map(lambda part: part.detach(), found)  # type: ignore[no-any-return]
