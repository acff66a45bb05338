"""Fitting the winner, measuring it as users will call it, and deciding again where it breaks the user's limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sharewise._running import Answer, storing
from sharewise.errors import OptionError
from sharewise.problems import Problem
from sharewise.serving import Cost, DeployedModel, measure
from sharewise.serving._measure import size_of
from sharewise.studies import Bench, Limits, Protocol

if TYPE_CHECKING:
    from sharewise._distilling import Finished

MOST_TRIES = 4
"""Models fitted at most to keep limits that were met in the trials."""
SAFE = 0.9
"""Share of the limit that the next choice is held to, beyond what the last one missed it by."""


@dataclass(frozen=True)
class Deployed:
    """A fitted winner.

    Attributes:
        answer: The decision it follows from, its cost entered in the record.
        model: Fitted on everything.
        cost: As measured.
    """

    answer: Answer
    model: DeployedModel
    cost: Cost | None


def fit_within(bench: Bench, answer: Answer, out: Path | None) -> Deployed:
    """The winner, or where it turns out slower or larger than allowed the next best that is not; saved under ``out``.

    Trials measure models without the way from a user's rows to theirs, so what keeps a limit there may break it here.

    Raises:
        OptionError: Nothing that was tried keeps the limits.
    """
    asked = bench.protocol.limits
    held = asked
    for _ in range(MOST_TRIES):
        model = answer.fit(bench)
        with _folder(out) as folder:
            with storing(out):
                model.save(folder)
            if model.model is None:  # serves no task before it is adapted
                return Deployed(answer, model, None)
            cost = measure(model, bench.problem, folder, retrained=answer.retrained)
            with storing(out):
                model, cost = _told(model, cost, folder)
        answer.verdict.details["serving"] = cost.as_dict()
        broken = asked.missed(
            latency_ms=cost.row_ms_p50, size_bytes=cost.size_bytes, shares=cost.retrained > 1
        )
        if not broken or answer.under is None:
            return Deployed(answer, model, cost)
        held = _tighter(asked, held, cost)
        answer = answer.under(held)
        answer.verdict.details["limits"] |= asked.as_dict() | {"text": str(asked)}
    raise OptionError(
        f"a model to deploy must keep your limits ({asked}), and what was fitted does not ({', '.join(broken)}). Loosen "
        "them; the same call on the same folder runs no trial again."
    )


def _told(model: DeployedModel, cost: Cost, folder: Path) -> tuple[DeployedModel, Cost]:
    """The model, stored with what it costs on its card; the card is part of the size that it tells."""
    told = model
    for _ in range(3):
        told = replace(model, card=model.card | {"serving": cost.as_dict()})
        told.save(folder)
        size = size_of(folder)
        if size == cost.size_bytes:
            break
        cost = replace(cost, size_bytes=size)
    return told, cost


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Where a model is saved: in the study's folder, or somewhere for as long as it is measured."""
    if out is not None:
        yield out / "model"
        return
    with TemporaryDirectory(prefix="sharewise-") as folder:
        yield Path(folder) / "model"


def _tighter(asked: Limits, held: Limits, cost: Cost) -> Limits:
    """What trials must keep for the deployed model to keep what was asked for."""
    found = held
    if asked.latency_ms is not None and cost.row_ms_p50 > asked.latency_ms:
        found = replace(
            found, latency_ms=SAFE * (held.latency_ms or 0.0) * asked.latency_ms / cost.row_ms_p50
        )
    if asked.size_bytes is not None and cost.size_bytes > asked.size_bytes:
        found = replace(
            found, size_bytes=SAFE * (held.size_bytes or 0.0) * asked.size_bytes / cost.size_bytes
        )
    return found


def finished_study(problem: Problem, protocol: Protocol, folder: Path, deployed: Deployed) -> Finished:
    """A study that was decided and fitted here, for distilling."""
    from sharewise._distilling import Finished  # which loads all that students are made of

    answer = deployed.answer
    return Finished(
        problem, protocol, folder, answer.findings, answer.verdict.details, lambda: deployed.model
    )
