"""What every meta-learner must keep, one's own included; a new one joins in one line.

>>> from torch import nn
>>> from sharewise.meta import Prototypes
>>> check_meta_learner(lambda inputs, outputs: Prototypes(nn.Linear(inputs, 4)))

Symbols: `E` episodes, `S` support rows, `Q` query rows, `W` ways. Each check makes small learners in double precision
and raises `AssertionError` with a sentence where a property does not hold. torch's generator is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from sharewise.errors import SharewiseError
from sharewise.meta._base import Kind, MetaLearner
from sharewise.meta._episodes import Episodes
from sharewise.meta._train import meta_train

Factory = Callable[[int, int], MetaLearner]
"""A learner for rows of so many inputs and tasks of so many outputs (ways; 1 for numbers)."""

INPUTS, WAYS, ROWS, QUERIES, TASKS = 5, 3, 6, 4, 3
CLOSE = 1e-8
"""How far apart two ways of computing the same may round, in double precision."""
STEP, SLOPE = 1e-5, 1e-5
"""Of central differences: the step, and the relative error allowed."""


def episodes_of(kind: Kind) -> Episodes:
    """Three tasks, two rows a class; numbers are a task's own linear function."""
    x = torch.randn(TASKS, ROWS + QUERIES, INPUTS, dtype=torch.float64)
    y = torch.arange(ROWS + QUERIES).remainder(WAYS).expand(TASKS, -1)
    there = torch.ones(TASKS, ROWS + QUERIES, dtype=torch.bool)
    if kind == "regression":
        slopes = torch.randn(TASKS, INPUTS, 1, dtype=torch.float64)
        numbers = (x @ slopes)[..., 0]
        return _cut(x, numbers, there, None)
    centres = 2 * torch.randn(TASKS, WAYS, INPUTS, dtype=torch.float64)
    return _cut(x + centres[:, y[0]], y, there, torch.full((TASKS,), WAYS))


def shapes(factory: Factory, kind: Kind) -> None:
    """Predictions are (E, Q, W) log-probabilities that sum to one, or (E, Q) finite numbers."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    found = learner.predict(episodes)
    wanted = (TASKS, QUERIES, WAYS) if kind == "classification" else (TASKS, QUERIES)
    must(tuple(found.shape) == wanted, f"predictions have shape {wanted}; got {tuple(found.shape)}")
    must(bool(found.isfinite().all()), "predictions are finite")
    if kind == "classification":
        must(bool(((found.exp().sum(-1) - 1).abs() < CLOSE).all()), "probabilities sum to one")
    loss = learner.meta_loss(episodes)
    must(loss.ndim == 0 and bool(loss.isfinite()), "the meta-loss is one finite number")


def padding(factory: Factory, kind: Kind) -> None:
    """Padded rows, whatever they hold, change nothing."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    wanted, loss = learner.predict(episodes), learner.meta_loss(episodes)
    padded = _padded(episodes, 2)
    close(learner.predict(padded)[:, :QUERIES], wanted, "predictions beside padded rows")
    close(learner.meta_loss(padded), loss, "the meta-loss beside padded rows")


def order(factory: Factory, kind: Kind) -> None:
    """The order of support rows does not matter, nor that of tasks."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    wanted, mixed = learner.predict(episodes), torch.randperm(ROWS)
    shuffled = replace(
        episodes,
        support_x=episodes.support_x[:, mixed],
        support_y=episodes.support_y[:, mixed],
        support_mask=episodes.support_mask[:, mixed],
    )
    close(learner.predict(shuffled), wanted, "predictions from support rows in another order")
    close(learner.predict(episodes[1:2]), wanted[1:2], "predictions of a task alone")


def inductive(factory: Factory, kind: Kind) -> None:
    """A query row's prediction does not depend on the others, or the learner says that it is transductive."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    alone = replace(
        episodes,
        query_x=episodes.query_x[:, :1],
        query_y=episodes.query_y[:, :1],
        query_mask=episodes.query_mask[:, :1],
    )
    if not learner.transductive:
        close(
            learner.predict(alone),
            learner.predict(episodes)[:, :1],
            "a query row's prediction without the others",
        )
    relabelled = replace(episodes, query_y=episodes.query_y.flip(1))
    close(learner.predict(relabelled), learner.predict(episodes), "predictions beside other query labels")


def fewer_ways(factory: Factory, kind: Kind) -> None:
    """An episode with fewer ways beside one with more gives no chance to ways that it has not."""
    if kind == "regression":
        return
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    assert episodes.ways is not None
    ways = episodes.ways.clone()
    ways[0] = WAYS - 1
    support = episodes.support_mask & (episodes.support_y < ways[:, None])
    query = episodes.query_mask & (episodes.query_y < ways[:, None])
    mixed = replace(episodes, ways=ways, support_mask=support, query_mask=query)
    found = learner.predict(mixed)
    must(bool((found[0, :, -1] == -torch.inf).all()), "a way that an episode has not has no chance")
    must(bool((found[0].exp().sum(-1) - 1).abs().max() < CLOSE), "the chances of the others sum to one")
    close(found[1:], learner.predict(episodes)[1:], "predictions beside an episode with fewer ways")
    must(bool(learner.meta_loss(mixed).isfinite()), "the meta-loss is finite with fewer ways")


def adapted(factory: Factory, kind: Kind) -> None:
    """`adapt` gives what `predict` gives, changes nothing of the learner, and its own numbers can be stored."""
    import safetensors.torch

    episodes, learner = episodes_of(kind), learner_of(factory, kind).train()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    wanted = learner.predict(episodes)
    first = learner.adapt(episodes.support_x[0], episodes.support_y[0])
    one = first.predict(episodes.query_x[0])
    close(one, wanted[0], "predictions of an adapted task")
    learner.adapt(episodes.support_x[1], episodes.support_y[1])
    must(torch.equal(first.predict(episodes.query_x[0]), one), "adapting another task changes no prediction")
    after = learner.state_dict()
    must(all(torch.equal(after[name], value) for name, value in before.items()), "adapting changes no weight")
    must(all(module.training for module in learner.modules()), "adapting leaves the mode as it was")
    stored = safetensors.torch.save({name: value.contiguous() for name, value in first.state.items()})
    loaded = replace(first, state=safetensors.torch.load(stored))
    must(torch.equal(loaded.predict(episodes.query_x[0]), one), "stored and loaded, a task predicts the same")


def gradients(factory: Factory, kind: Kind) -> None:
    """The meta-gradient agrees with central differences along random directions, for each parameter."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    parameters = {name: each for name, each in learner.named_parameters() if each.requires_grad}
    if not learner.exact or not parameters:
        return
    loss = learner.meta_loss(episodes)
    # A parameter that these tasks do not use (a scale of logits, for numbers) has a gradient of zero.
    slopes = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True, allow_unused=True)
    for (name, parameter), slope in zip(parameters.items(), slopes, strict=True):
        direction = torch.randn_like(parameter)
        wanted = (slope * direction).sum()
        ahead, behind = (_moved(learner, episodes, parameter, direction, step) for step in (STEP, -STEP))
        found = (ahead - behind) / (2 * STEP)
        error = float((found - wanted).abs() / (wanted.abs() + slope.norm() + 1e-3))
        must(error < SLOPE, f"the meta-gradient by {name} is that of central differences; off by {error:.1e}")


def deterministic(factory: Factory, kind: Kind) -> None:
    """Predicting twice gives the same to the last bit."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    must(torch.equal(learner.predict(episodes), learner.predict(episodes)), "predicting twice gives the same")


def learns(factory: Factory, kind: Kind) -> None:
    """Training on a few tasks lowers their query loss, and one seed gives the same weights twice."""
    episodes = episodes_of(kind)
    runs = [learner_of(factory, kind), learner_of(factory, kind)]
    before = _query_loss(runs[0], episodes)
    found = [meta_train(run, lambda _: episodes, steps=12, rate=0.01) for run in runs]
    if found[0].status == "nothing to learn":
        return
    must(found[0].status == "finished", f"training finishes; it {found[0].status}")
    after = _query_loss(runs[0], episodes)
    must(after < before, f"training lowers the loss; {before:.4f} became {after:.4f}")
    pairs = zip(runs[0].parameters(), runs[1].parameters(), strict=True)
    must(all(torch.equal(one, other) for one, other in pairs), "one seed gives the same weights twice")


def refusals(factory: Factory, kind: Kind) -> None:
    """What cannot be adapted on, or judged, is refused in a sentence."""
    episodes, learner = episodes_of(kind), learner_of(factory, kind)
    x, y = episodes.support_x, episodes.support_y
    holed = x.clone()
    holed[1, 0, 0] = torch.nan
    refused(lambda: learner.predict(replace(episodes, support_x=holed)), "NaN")
    refused(lambda: learner.adapt(holed[1], y[1]), "NaN")
    without = replace(episodes, query_mask=torch.zeros_like(episodes.query_mask))
    refused(lambda: learner.meta_loss(without), "query row")
    if kind == "classification":
        refused(lambda: learner.adapt(x[0], torch.zeros_like(y[0])), "two classes")
        refused(lambda: learner.adapt(x[0], y[0], ways=WAYS + 1), "ways")
        refused(lambda: learner.adapt(x[0], y[0], ways=WAYS - 1), "classes")
        strange = replace(episodes, query_y=episodes.query_y + WAYS)
        refused(lambda: learner.predict(strange), "classes")


Check = Callable[[Factory, Kind], None]
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        *(shapes, padding, order, inductive, fewer_ways, adapted, gradients, deterministic, learns, refusals),
    )
}
"""By name, for tests that report each by itself."""


def check_meta_learner(factory: Factory) -> None:
    """Every check on every kind of task that the learner serves.

    Args:
        factory: Called with the width of a row and the number of outputs.

    Raises:
        AssertionError: A property does not hold.
    """
    for kind in sorted(learner_of(factory, None).serves):
        for check in CHECKS.values():
            run_check(check, factory, kind)


def run_check(check: Check, factory: Factory, kind: Kind) -> None:
    """One check, with torch's generator set for it and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        check(factory, kind)


def learner_of(factory: Factory, kind: Kind | None, seed: int = 0) -> MetaLearner:
    """A fresh learner in double precision and evaluation mode, its random weights from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return factory(INPUTS, 1 if kind == "regression" else WAYS).double().eval()


def must(holds: bool, rule: str) -> None:
    """A rule holds."""
    if not holds:
        raise AssertionError(rule)


def close(found: Tensor, wanted: Tensor, what: str) -> None:
    """Two tensors agree."""
    must(torch.allclose(found, wanted, rtol=CLOSE, atol=CLOSE), f"{what} are the same")


def refused(call: Callable[[], object], named: str) -> None:
    """A call raises a `SharewiseError` that holds a word."""
    try:
        call()
    except SharewiseError as error:
        must(named in str(error), f"a refusal names what it refuses ('{named}'); got: {error}")
    else:
        must(False, f"a support or query that breaks a rule is refused ('{named}')")


def _cut(x: Tensor, y: Tensor, there: Tensor, ways: Tensor | None) -> Episodes:
    parts = x[:, :ROWS], y[:, :ROWS], there[:, :ROWS], x[:, ROWS:], y[:, ROWS:], there[:, ROWS:]
    return Episodes(*parts, ways=ways)


def _padded(episodes: Episodes, more: int) -> Episodes:
    """Rows that are masked, with wild inputs and labels, after the others."""

    def longer(part: Tensor, value: float) -> Tensor:
        extra = part.new_full((len(part), more, *part.shape[2:]), value)
        return torch.cat([part, extra], 1)

    label = 1 if episodes.ways is not None else 1e3
    return Episodes(
        *(longer(episodes.support_x, 7.0), longer(episodes.support_y, label), longer(episodes.support_mask, False)),
        *(longer(episodes.query_x, 7.0), longer(episodes.query_y, label), longer(episodes.query_mask, False)),
        episodes.ways,
    )  # fmt: skip


def _moved(
    learner: MetaLearner, episodes: Episodes, parameter: Tensor, direction: Tensor, step: float
) -> Tensor:
    """The meta-loss with a parameter moved; it is put back."""
    kept = parameter.detach().clone()
    with torch.no_grad():
        parameter.add_(direction, alpha=step)
    loss = learner.meta_loss(episodes).detach()
    with torch.no_grad():
        parameter.copy_(kept)
    return loss


def _query_loss(learner: MetaLearner, episodes: Episodes) -> float:
    """Mean over query rows, of predictions."""
    outputs = learner.predict(episodes)
    if episodes.ways is None:
        return float((outputs - episodes.query_y).square().mean())
    return float(-outputs.gather(-1, episodes.query_y[..., None]).mean())
