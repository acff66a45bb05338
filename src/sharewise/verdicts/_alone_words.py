"""Families compared where nothing shares, in words."""

from __future__ import annotations

import numpy as np

from sharewise.verdicts._alone import Alone
from sharewise.verdicts._describe import describe
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._phrases import percent, spanned, sure


def alone_sentence(evidence: Evidence, found: Alone) -> str:
    """The verdict a newcomer understands."""
    best = _named(evidence, found.best)
    if found.rival is None or found.against is None:
        return f"Keep them separate: nothing shares here; deploy {best}, the best, which is also the cheapest tried."
    rival, against = _named(evidence, found.rival), found.against
    spread = "no interval: fewer than two rounds"
    if against.interval is not None:
        spread = f"{sure(evidence.confidence)} interval {spanned(against.interval)} of gain"
    told = (
        f"{'gains' if against.mean >= 0 else 'loses'} {percent(abs(against.mean))} against {best} ({spread})"
    )
    match found.outcome:
        case "equivalent":
            return f"Equivalent: {rival} {told}, not more than the {percent(evidence.rope)} that would matter; deploy it."
        case "separate":
            return f"Keep them separate: nothing shares here, and the cheaper {rival} {told}; deploy {best}."
        case _:
            return (
                f"Undecided: nothing shares here; the cheaper {rival} {told}, and the evidence is too thin to say whether it "
                f"keeps up; meanwhile deploy {best}."
            )


def _named(evidence: Evidence, row: int) -> str:
    """``a model of its own for each task (linear models; 0.4 ms a row, 0.12 MB)``."""
    costs = evidence.present(row)
    speed = float(np.mean([c.predict_ms_one_row for c in costs]))
    size = float(np.mean([c.size_bytes for c in costs]))
    described = describe(evidence.candidates[row])
    cost = f"{speed:.3g} ms a row, {size / 1e6:.2g} MB"
    return f"{described[:-1]}; {cost})" if described.endswith(")") else f"{described} ({cost})"
