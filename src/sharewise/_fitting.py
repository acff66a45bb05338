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
from sharewise.studies._limits import in_bytes, in_ms

if TYPE_CHECKING:
    from sharewise._distilling import Finished

MOST_TRIES = 4
"""Models fitted at most to keep limits that were met in the trials."""
SAFE = 0.95
"""Share of what the limit leaves that the next choice is held to: two measurements of one model differ."""


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

    Trials measure models without the way from a user's rows to theirs and without the folder's other files, so what
    keeps a limit there may break it here. Both come on top, whatever the model, so the next choice is held to what the
    limit leaves beside them.

    Raises:
        OptionError: Nothing that was tried keeps the limits.
    """
    asked = bench.protocol.limits
    held = asked
    measured: list[str] = []
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
        inside = Inside.of(answer)
        measured.append(f"{answer.verdict.details['choice']['describe']}, {_told_apart(asked, cost, inside)}")
        held = _tighter(asked, held, cost, inside)
        try:
            answer = answer.under(held)
        except OptionError:  # no trial keeps what is left
            break
        answer.verdict.details["limits"] |= asked.as_dict()
    raise OptionError(
        f"a model to deploy must keep your limits ({asked}), and none that was tried does, measured as you would call it: "
        f"{'; '.join(measured)}. Loosen them; the same call on the same folder runs no trial again."
    )


@dataclass(frozen=True)
class Inside:
    """What trials measured of the row that serves; None where they did not.

    Attributes:
        latency_ms: One row, from numbers to numbers.
        size_bytes: Of what was fitted.
    """

    latency_ms: float | None
    size_bytes: float | None

    @classmethod
    def of(cls, answer: Answer) -> Inside:
        details = answer.verdict.details
        choice = details["choice"]
        for row in details["strategies"]:
            if (row["name"], row["family"]) == (choice.get("strategy"), choice.get("family")):
                return cls(row["cost"].get("predict_ms_one_row"), row["cost"].get("size_bytes"))
        return cls(None, None)


def _told_apart(asked: Limits, cost: Cost, inside: Inside) -> str:
    """What was measured, and how much of it is the model itself."""
    told = []
    if asked.latency_ms is not None:
        own = "" if inside.latency_ms is None else f" ({in_ms(inside.latency_ms)} of it the model itself)"
        told.append(f"{in_ms(cost.row_ms_p50)} a row{own}")
    if asked.size_bytes is not None:
        told.append(in_bytes(cost.size_bytes))
    if asked.independent:
        told.append(f"{cost.retrained} tasks retrained together")
    return " and ".join(told)


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


def _tighter(asked: Limits, held: Limits, cost: Cost, inside: Inside) -> Limits:
    """What trials must keep for the deployed model to keep what was asked for."""
    found = replace(held, words=str(asked))
    if asked.latency_ms is not None and cost.row_ms_p50 > asked.latency_ms:
        left = _left(asked.latency_ms, cost.row_ms_p50, inside.latency_ms, held.latency_ms)
        found = replace(found, latency_ms=left)
    if asked.size_bytes is not None and cost.size_bytes > asked.size_bytes:
        left = _left(asked.size_bytes, cost.size_bytes, inside.size_bytes, held.size_bytes)
        found = replace(found, size_bytes=left)
    return found


def _left(asked: float, whole: float, inside: float | None, held: float | None) -> float:
    """What a limit leaves to the model itself, less than what the one just fitted has."""
    if inside is None:
        return SAFE * (held or asked) * asked / whole
    return SAFE * min(asked - (whole - inside), inside, held or asked)


def finished_study(problem: Problem, protocol: Protocol, folder: Path, deployed: Deployed) -> Finished:
    """A study that was decided and fitted here, for distilling."""
    from sharewise._distilling import Finished  # which loads all that students are made of

    answer = deployed.answer
    return Finished(
        problem, protocol, folder, answer.findings, answer.verdict.details, lambda: deployed.model
    )
