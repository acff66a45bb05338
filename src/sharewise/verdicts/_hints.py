"""Hints from one network's gradients, in words, and held against the drop-one trainings, which decide.

Symbols: ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from sharewise.studies._diagnosis import Diagnosis
from sharewise.tasks import Array
from sharewise.verdicts._harm import Claim, Harm
from sharewise.verdicts._phrases import listed, percent, plural, quoted

WARNING = (
    "These are hints from the gradients of one network on one fold. Such scores are known to mislead, also about "
    "which tasks to group; they decide nothing here: real trainings do."
)
FAINT = 0.1
"""A lookahead below this share of the largest, which is mostly a task's own, says nothing."""
FEWEST_PAIRS = 6
"""Pairs below which a rank correlation is not told."""


@dataclass(frozen=True)
class Contradiction:
    """A clear effect of a drop-one training of which the lookahead says the opposite.

    Attributes:
        giver, receiver: Names; None for the mean over all others.
        effect: Measured: positive where the giver helps.
        hint: The lookahead's number.
    """

    giver: str
    receiver: str | None
    effect: float
    hint: float

    @property
    def text(self) -> str:
        """In words."""
        whom = "the others" if self.receiver is None else f"'{self.receiver}'"
        does, said = ("helps", "harm") if self.effect > 0 else ("harms", "help")
        by = percent(abs(self.effect))
        return f"by training, '{self.giver}' {does} {whom} by {by}, where the lookahead sees {said}"


@dataclass(frozen=True)
class Hints:
    """What was seen, and how far the trainings bear it out.

    Attributes:
        clear: Clear effects of drop-one trainings between tasks that were watched; None where none was made.
        against: Those of which the lookahead says the opposite.
        agreement: Rank correlation of lookahead and measured effects over ordered pairs; None where unknown.
        pairs: That it is over.
    """

    seen: Diagnosis
    clear: int | None
    against: tuple[Contradiction, ...]
    agreement: float | None
    pairs: int

    @property
    def text(self) -> str:
        """What the gradients look like."""
        share = float(np.nanmean(self.seen.conflict)) if np.isfinite(self.seen.conflict).any() else np.nan
        if np.isnan(share):
            return "No two tasks had gradients in the same step."
        said = f"Over {plural(self.seen.epochs, 'epoch')}, two tasks' gradients pull apart in {percent(share)} of steps"
        apart = np.where(np.triu(np.ones_like(self.seen.apart), 1) > 0, self.seen.apart, np.nan)
        if len(self.seen.tasks) > 2 and np.isfinite(apart).any():
            one, other = np.unravel_index(int(np.nanargmax(apart)), apart.shape)
            names = quoted([self.seen.tasks[one], self.seen.tasks[other]])
            return f"{said} on average, most often those of {names} ({percent(float(apart[one, other]))})."
        return f"{said}."

    @property
    def verdict(self) -> str:
        """What the drop-one trainings say of the hints."""
        if self.clear is None:
            return "No tasks were left out of the joint model in turn here, so nothing bears these hints out."
        parts = []
        if not self.clear:
            parts.append("The drop-one trainings found no clear effect that could bear these hints out")
        elif self.against:
            told = listed([one.text for one in self.against])
            count = f"{len(self.against)} of {plural(self.clear, 'clear effect')}"
            parts.append(
                f"The drop-one trainings contradict these hints in {count}: {told}. The trainings hold"
            )
        else:
            effects = plural(self.clear, "clear effect")
            parts.append(f"None of the {effects} of the drop-one trainings contradicts these hints")
        if self.agreement is not None:
            over = f"over {plural(self.pairs, 'ordered pair')} of tasks"
            parts.append(
                f"Lookahead and measured effects have a rank correlation of {self.agreement:.2f} {over}"
            )
        return ". ".join(parts) + "."

    def as_dict(self) -> dict[str, Any]:
        """The record of ``verdict.json``, key ``hints``."""
        against = [
            {"from": one.giver, **({} if one.receiver is None else {"to": one.receiver}),
             "effect": one.effect, "lookahead": one.hint, "text": one.text}
            for one in self.against
        ]  # fmt: skip
        return {
            "warning": WARNING,
            "text": self.text,
            "verdict": self.verdict,
            "clear_effects": self.clear,
            "against": against,
            "rank_correlation": self.agreement,
            **self.seen.as_dict(),
        }


def hints(seen: Diagnosis, harm: Harm | None) -> Hints:
    """Hold what was seen against what trainings measured, if any did."""
    if harm is None or not harm.claims:
        return Hints(seen, None, (), None, 0)
    places = {name: harm.tasks.index(name) for name in seen.tasks if name in harm.tasks}
    names = [name for name in seen.tasks if name in places]
    ahead = _apart(seen.lookahead)
    faint = FAINT * float(np.nanmax(np.abs(seen.lookahead), initial=0.0))
    clear = [claim for claim in (*harm.givers, *harm.claims) if claim.clear]
    known = [claim for claim in clear if _known(claim, harm.tasks, names)]
    at = {name: place for place, name in enumerate(seen.tasks)}
    against = [one for claim in known if (one := _against(claim, harm.tasks, ahead, at, faint)) is not None]
    own = [at[name] for name in names]
    measured = harm.matrix[np.ix_([places[n] for n in names], [places[n] for n in names])]
    agreement, pairs = _agreement(ahead[np.ix_(own, own)], _apart(measured))
    return Hints(seen, len(known), tuple(against), agreement, pairs)


def _known(claim: Claim, tasks: Sequence[str], names: Sequence[str]) -> bool:
    return tasks[claim.giver] in names and (claim.receiver is None or tasks[claim.receiver] in names)


def _against(
    claim: Claim, tasks: Sequence[str], ahead: Array, at: Mapping[str, int], faint: float
) -> Contradiction | None:
    giver = tasks[claim.giver]
    row = ahead[at[giver]]
    told = row if claim.receiver is None else row[[at[tasks[claim.receiver]]]]
    known = told[np.isfinite(told)]
    if not len(known):
        return None
    hint, effect = float(known.mean()), claim.found.mean
    if hint * effect >= 0 or abs(hint) < faint:
        return None
    return Contradiction(giver, None if claim.receiver is None else tasks[claim.receiver], effect, hint)


def _apart(matrix: Array) -> Array:
    """Without what a task does to itself."""
    found: Array = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    return found


def _agreement(one: Array, other: Array) -> tuple[float | None, int]:
    both = np.isfinite(one) & np.isfinite(other)
    pairs = int(both.sum())
    if pairs < FEWEST_PAIRS:
        return None, pairs
    x, y = (rankdata(values[both]) - (pairs + 1) / 2 for values in (one, other))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else None, pairs
