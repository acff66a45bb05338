"""All problems together: how each policy fares, and which aims fall short.

Nothing to run; pure arithmetic, used by ``benchmarks/verdict.py``.

Symbols: ``P`` problems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

VERDICT: Final = "sharewise"
RIVALS: Final = ("always separate", "always joint", "better of two", "random, equal cost")
MEAN_AIM: Final = 0.01
TAIL_AIM: Final = 0.05
COST_AIM: Final = 0.10
TAIL: Final = 0.95


@dataclass(frozen=True)
class Line:
    """One policy on one problem.

    Attributes:
        draws: Regret of each draw against the cross-fitted best row.
        strict: Mean regret against the best row in hindsight.
        cost: Share of the exhaustive comparison's trial seconds.
    """

    problem: str
    policy: str
    draws: tuple[float, ...]
    strict: float
    cost: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.draws))


@dataclass(frozen=True)
class Summary:
    """One policy over all problems; every problem weighs the same, whatever its number of draws.

    Attributes:
        mean, median, tail: Of regret; ``tail`` is the 95th percentile over problems and draws.
        largest: Problem with the largest mean regret, and that.
        strict: Mean regret against the best row in hindsight.
        cost: Mean share of the exhaustive cost.
        worst: Share of problems where no other policy of the comparison has a larger mean regret; ties count.
        over: Share of problems above the tail's aim.
    """

    policy: str
    mean: float
    median: float
    tail: float
    largest: tuple[str, float]
    strict: float
    cost: float
    worst: float
    over: float


def summarise(lines: Sequence[Line], policy: str, compared: Sequence[str]) -> Summary:
    """Of one policy.

    Args:
        compared: Policies among which the worst on a problem is sought.
    """
    own = [line for line in lines if line.policy == policy]
    means = np.array([line.mean for line in own])
    draws = np.concatenate([line.draws for line in own])
    weights = np.concatenate([np.full(len(line.draws), 1 / len(line.draws)) for line in own])
    top = int(means.argmax())
    worst = 0
    for line in own:
        rest = [one.mean for one in lines if one.problem == line.problem and one.policy in compared]
        worst += policy in compared and line.mean >= max(rest) - 1e-12
    return Summary(
        policy=policy,
        mean=float(means.mean()),
        median=float(_quantile(draws, weights, 0.5)),
        tail=float(_quantile(draws, weights, TAIL)),
        largest=(own[top].problem, float(means[top])),
        strict=float(np.mean([line.strict for line in own])),
        cost=float(np.mean([line.cost for line in own])),
        worst=worst / len(own),
        over=float(np.mean(means > TAIL_AIM)),
    )


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    return float(np.quantile(values, share, weights=weights, method="inverted_cdf"))


@dataclass(frozen=True)
class Lead:
    """How much lower the verdict's regret is than a rival's, paired over problems.

    Attributes:
        mean, interval: Of the rival's mean regret less the verdict's; Student's t over problems, 95%.
        wins, losses: Problems where it is lower, or higher, by more than 0.1%.
    """

    rival: str
    mean: float
    interval: tuple[float, float]
    wins: int
    losses: int


def lead(lines: Sequence[Line], rival: str) -> Lead:
    """Of the verdict over one rival, on the problems that both were judged on."""
    of: Mapping[str, Mapping[str, float]] = {
        policy: {line.problem: line.mean for line in lines if line.policy == policy}
        for policy in (VERDICT, rival)
    }
    both = [name for name in of[VERDICT] if name in of[rival]]
    gaps = np.array([of[rival][name] - of[VERDICT][name] for name in both])
    half = np.inf
    if len(gaps) > 1:
        half = float(stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps)))
    mean = float(gaps.mean())
    wins, losses = int((gaps > 1e-3).sum()), int((gaps < -1e-3).sum())
    return Lead(rival, mean, (mean - half, mean + half), wins, losses)


def judge(lines: Sequence[Line], rivals: Sequence[str] = RIVALS) -> list[tuple[bool, str]]:
    """Each aim, whether it is met, and the figures."""
    own = summarise(lines, VERDICT, (VERDICT, *rivals))
    mine = [line for line in lines if line.policy == VERDICT]
    dear = [line.problem for line in mine if line.cost > COST_AIM]
    high = sorted((line for line in mine if line.mean > TAIL_AIM), key=lambda line: -line.mean)
    named = ", ".join(f"{line.problem} {line.mean:.1%}" for line in high) or "none"
    found = [
        (
            own.mean <= MEAN_AIM,
            f"mean regret {own.mean:.2%} (aim: at most {MEAN_AIM:.0%}); {own.strict:.2%} over the best row in hindsight",
        ),
        (
            own.tail <= TAIL_AIM,
            f"95th percentile of regret {own.tail:.2%} (aim: at most {TAIL_AIM:.0%}); above it: {named}",
        ),
        (
            own.cost <= COST_AIM,
            f"mean cost {own.cost:.1%} of the exhaustive comparison (aim: at most {COST_AIM:.0%}); "
            f"above it on {len(dear)} of {len(mine)} problems{': ' + ', '.join(dear) if dear else ''}",
        ),
    ]
    for rival in rivals:
        one = lead(lines, rival)
        low, high_end = one.interval
        found.append(
            (
                one.mean > 0,
                f"beside '{rival}': regret lower by {one.mean:.2%} [{low:.2%}, {high_end:.2%}] on average, "
                f"lower on {one.wins} problems, higher on {one.losses}"
                + ("" if low > 0 or one.mean <= 0 else " (the interval holds zero)"),
            )
        )
    return found
