"""What every balancer must keep, shipped so that a method from outside joins in one line.

>>> from sharewise.balancing import NashMTL
>>> check_balancer(NashMTL)

`check_balancer` takes what makes a fresh balancer (the class, or a function without arguments), and raises
AssertionError with a sentence if a promise is broken. `T` tasks.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sharewise.balancing._base import LONGEST_PARTS, Balancer, Scalarizer, Weighting
from sharewise.errors import DataError, SharewiseError

Array = NDArray[np.float64]
Factory = Callable[[], Balancer]

CLOSE = 1e-6
"""Relative tolerance of what must be equal up to rounding."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step shows a balancer."""

    jacobian: Array
    """(T, P) a gradient a row."""
    losses: Array
    """(T,) above zero."""
    present: NDArray[np.bool_] | None = None


def check_balancer(factory: Factory) -> None:
    """Raise AssertionError at the first promise that balancers of `factory` break."""
    balancer = factory()
    _require(
        isinstance(balancer, Scalarizer | Weighting), balancer, "is neither a Scalarizer nor a Weighting"
    )
    for tasks in (1, 2, 5, 50):
        _check_weights(factory, steps(tasks))
    _check_repeatable(factory)
    _check_saved(factory)
    _check_reset(factory)
    _check_gaps(factory)
    _check_order(factory)
    _check_scale(factory)
    _check_refusals(factory)
    if isinstance(balancer, Weighting):
        _check_zeros(factory)
        _check_length(factory)
    else:
        _check_derivative(factory)


def steps(tasks: int, count: int = 3, seed: int = 0) -> list[Step]:
    """Steps with gradients that partly agree, and losses that fall."""
    rng = np.random.default_rng((seed, tasks))
    start = rng.uniform(0.5, 2.0, size=tasks)
    return [
        Step(
            rng.normal(size=(tasks, 2 * tasks + 3)) + 0.3, start * rng.uniform(0.6, 1.0, size=tasks) ** number
        )
        for number in range(count)
    ]


def run(balancer: Balancer, script: Sequence[Step]) -> list[Array]:
    """The weights (T,) of each step; the balancer is told all that a training loop tells it."""
    return [_taken(balancer, step) for step in script]


def _taken(balancer: Balancer, step: Step) -> Array:
    if isinstance(balancer, Weighting):
        found = balancer(
            step.jacobian @ step.jacobian.T,
            step.losses if balancer.needs_losses else None,
            present=step.present,
        )
    elif isinstance(balancer, Scalarizer):
        losses = torch.tensor(step.losses, requires_grad=True)
        combined = balancer.combine(losses, present=step.present)
        combined.total.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():  # the loop's optimizer
            for parameter in balancer.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.1 * parameter.grad)
                    parameter.grad = None
        balancer.after_step(0.9 * losses.detach() ** 1.1 if balancer.needs_losses_after else None)
        found = combined.weights.numpy()
    else:
        raise AssertionError(f"{balancer!r} is neither a Scalarizer nor a Weighting.")
    balancer.after_epoch()
    return np.asarray(found, dtype=np.float64)


def _require(kept: bool, balancer: Balancer, broken: str) -> None:
    if not kept:
        raise AssertionError(f"{balancer!r} {broken}.")


def _equal(one: Sequence[Array], other: Sequence[Array], tolerance: float = 0.0) -> bool:
    return all(np.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in zip(one, other, strict=True))


def _check_weights(factory: Factory, script: Sequence[Step]) -> None:
    balancer = factory()
    balancer.start(len(script[0].losses))
    for step, weights in zip(script, run(balancer, script), strict=True):
        tasks = len(step.losses)
        _require(
            weights.shape == (tasks,), balancer, f"gave weights of shape {weights.shape} for {tasks} tasks"
        )
        _require(bool(np.isfinite(weights).all()), balancer, f"gave weights that are not finite: {weights}")
        if balancer.nonnegative:
            _require(bool((weights >= 0).all()), balancer, f"promises weights >= 0 and gave {weights.min()}")
        if tasks == 1 and balancer.norm == "sum":
            _require(
                abs(weights[0] - 1.0) < CLOSE, balancer, f"gave a single task the weight {weights[0]}, not 1"
            )


def _check_repeatable(factory: Factory) -> None:
    balancer = factory()
    _require(
        _equal(run(balancer, steps(4)), run(factory(), steps(4))),
        balancer,
        "gave other weights when run once more",
    )


def _check_saved(factory: Factory) -> None:
    balancer, script = factory(), steps(4, count=6)
    run(balancer, script[:3])
    file = io.BytesIO()
    torch.save(balancer.state_dict(), file)
    file.seek(0)
    loaded = factory()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    _require(
        _equal(run(balancer, script[3:]), run(loaded, script[3:])),
        balancer,
        "goes on differently after save and load",
    )


def _check_reset(factory: Factory) -> None:
    balancer = factory()
    first = run(balancer, steps(4))
    balancer.reset()
    _require(_equal(first, run(balancer, steps(4))), balancer, "remembers steps from before its reset")


def _check_gaps(factory: Factory) -> None:
    """A step that lacks tasks 1 and 3, between two whole ones."""
    balancer, (before, gap, after) = factory(), steps(5)
    kept = np.array([True, False, True, False, True])
    part = Step(gap.jacobian[kept], gap.losses[kept], kept)
    found = run(balancer, (before, part, after))
    _require(found[1].shape == (3,), balancer, f"gave weights of shape {found[1].shape} for 3 of 5 tasks")
    _require(
        all(np.isfinite(one).all() for one in found),
        balancer,
        "gave weights that are not finite around a gap",
    )


def _check_order(factory: Factory) -> None:
    balancer = factory()
    if not balancer.equivariant:
        return
    order = np.array([2, 0, 3, 1])
    turned = [Step(step.jacobian[order], step.losses[order]) for step in steps(4)]
    plain = [weights[order] for weights in run(balancer, steps(4))]
    _require(
        _equal(plain, run(factory(), turned), CLOSE),
        balancer,
        "claims to be equivariant and depends on tasks' order",
    )


def _check_scale(factory: Factory) -> None:
    """All gradients times 1000 leave weights alone; one task's loss times 1000 as `scale_free` claims."""
    balancer = factory()
    plain = run(balancer, steps(4))
    if isinstance(balancer, Weighting) and balancer.norm != "raw":
        longer = [Step(1000 * step.jacobian, step.losses) for step in steps(4)]
        _require(
            _equal(plain, run(factory(), longer), CLOSE), balancer, "depends on the unit of all gradients"
        )
    if balancer.scale_free:
        factors = np.array([1.0, 1000.0, 1.0, 1.0])
        stretched = [Step(factors[:, None] * step.jacobian, factors * step.losses) for step in steps(4)]
        parts = [weights * factors for weights in run(factory(), stretched)]
        _require(
            _equal([one / one.sum() for one in plain], [one / one.sum() for one in parts], CLOSE),
            balancer,
            "claims to be free of tasks' scales and depends on them",
        )


def _check_refusals(factory: Factory) -> None:
    for value in (np.nan, np.inf):
        step = steps(3)[0]
        losses, jacobian = step.losses.copy(), step.jacobian.copy()
        losses[1], jacobian[1, 0] = value, value
        balancer = factory()
        with np.errstate(invalid="ignore"):
            said = _refusal(balancer, Step(jacobian, losses))
        _require("\n" not in said and "finite" in said, balancer, f"refuses a {value} unclearly: {said!r}")
    balancer = factory()
    wrong = Step(np.zeros((0, 3)), np.zeros(0))
    _require(bool(_refusal(balancer, wrong)), balancer, "says nothing when it refuses a step without tasks")


def _refusal(balancer: Balancer, step: Step) -> str:
    try:
        _taken(balancer, step)
    except DataError as error:
        return str(error)
    except SharewiseError as error:
        raise AssertionError(
            f"{balancer!r} refuses bad numbers with {type(error).__name__}, not DataError."
        ) from error
    raise AssertionError(f"{balancer!r} takes {step.losses} and gradients alike without a word.")


def _check_zeros(factory: Factory) -> None:
    """No gradient at all, one task without, and two that are one another's opposite."""
    losses = np.array([1.0, 0.5, 2.0])
    nothing = np.zeros((3, 4))
    one_less = np.array([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    opposed = np.array([[1.0, 2.0, 0.0, 0.0], [-1.0, -2.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    repeated = opposed[[0, 0, 2]]
    for jacobian in (nothing, one_less, opposed, repeated):
        balancer = factory()
        (weights,) = run(balancer, [Step(jacobian, losses)])
        _require(
            bool(np.isfinite(weights).all()),
            balancer,
            f"gave {weights} for the gradients {jacobian.tolist()}",
        )


def _check_length(factory: Factory) -> None:
    """J'w is as long as the plain sum, or its parts have reached their bound."""
    balancer = factory()
    if balancer.norm == "raw":
        return
    for step, weights in zip(steps(6), run(balancer, steps(6)), strict=True):
        unit = 1.0 if balancer.norm == "sum" else 1.0 / len(weights)
        length = float(np.linalg.norm(weights @ step.jacobian))
        wanted = unit * float(np.linalg.norm(step.jacobian.sum(axis=0)))
        lengths = np.linalg.norm(step.jacobian, axis=1)
        bounded = float(np.abs(weights) @ lengths) >= (1 - CLOSE) * LONGEST_PARTS * unit * float(
            lengths.sum()
        )
        _require(
            abs(length - wanted) <= CLOSE * wanted or (bounded and length < wanted),
            balancer,
            f"makes an update of length {length} where norm={balancer.norm!r} means {wanted}",
        )


def _check_derivative(factory: Factory) -> None:
    """The weights told are the derivative of the total; every own parameter gets a gradient."""
    balancer = factory()
    assert isinstance(balancer, Scalarizer)
    balancer.start(5)
    for step in steps(5):
        losses = torch.tensor(step.losses, requires_grad=True)
        combined = balancer.combine(losses)
        _require(combined.total.shape == (), balancer, f"gave a total of shape {tuple(combined.total.shape)}")
        found = torch.autograd.grad(combined.total, (losses, *balancer.parameters()), allow_unused=True)
        _require(
            all(one is not None for one in found), balancer, "leaves a loss or a parameter without a gradient"
        )
        told = combined.weights.numpy()
        _require(
            np.allclose(found[0].numpy(), told),
            balancer,
            f"says its weights are {told}, and they are {found[0]}",
        )
        wanted = {"sum": 5.0, "mean": 1.0}.get(balancer.norm)
        if wanted is not None:
            _require(
                abs(told.sum() - wanted) < CLOSE,
                balancer,
                f"has weights that sum to {told.sum()}, not {wanted}",
            )
