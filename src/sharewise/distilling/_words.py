"""What was lost by distilling, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharewise.distilling._lesson import WAYS
from sharewise.studies import in_bytes
from sharewise.verdicts._phrases import listed, percent, plural, spanned, sure


def sentence(record: Mapping[str, Any]) -> str:
    """One sentence that a newcomer understands: the outcome, the loss, and what it buys."""
    gain, rope = record["gain"], percent(record["rope"])
    change = f"{'gains' if gain['delta'] >= 0 else 'loses'} {percent(abs(gain['delta']))}"
    spread = "no interval: fewer than two rounds"
    if gain["interval"] is not None:
        spread = f"{sure(record['confidence'])} interval {spanned(tuple(gain['interval']))} of gain"
    told = f"a student ({record['student']}) {change} against {record['from']} ({spread})"
    match record["outcome"]:
        case "equivalent":
            start = f"Equivalent: {told}, not more than the {rope} that would matter"
        case "worse":
            start = f"Not equivalent: {told}, more than the {rope} that would matter"
        case _:
            start = f"Undecided: {told}; the folds cannot tell whether it loses more than the {rope} that would matter"
    return f"{start}. {_bought(record['before'], record['after'])}"


def _bought(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return (
        f"One row takes {after['row_ms_p50']:.3g} ms instead of {before['row_ms_p50']:.3g}, {after['batch_rows']:,} rows "
        f"{after['batch_ms']:.3g} ms instead of {before['batch_ms']:.3g}, and the model has "
        f"{in_bytes(after['size_bytes'])} instead of {in_bytes(before['size_bytes'])}."
    )


def because(record: Mapping[str, Any]) -> list[str]:
    """Measured reasons."""
    count, left = len(record["students"]), record["left_out"]
    found = [
        f"Measured on {plural(record['rounds'], 'outer fold')}, on rows that neither the student nor its teacher learnt from; "
        f"which of {plural(count, 'student')} is taken was decided for each fold by the others."
    ]
    found.append(_teaching(record))
    if record["filled"]["answered"] and record["taught_by"] != WAYS[0].words:
        filled = record["filled"]
        found.append(
            f"Its teacher answered {filled['answered']:,} of {filled['gaps']:,} gaps in the labels, from which it learnt too."
        )
    found += [_line(one) for one in record["students"]]
    if left:
        found.append(f"Too large or too slow to stand in for the winner, so not examined: {listed(left)}.")
    return found


def _teaching(record: Mapping[str, Any]) -> str:
    """What the winner's answers brought, which may be nothing."""
    if record["taught_by"] == WAYS[0].words:
        return "It learnt from labels alone: the winner's answers did not help it here."
    gain = record["gain_of_teaching"]
    word = "gains" if gain["delta"] >= 0 else "loses"
    spread = "" if gain["interval"] is None else f" ({spanned(tuple(gain['interval']))})"
    return (
        f"It learnt from {record['taught_by']}, by which it {word} {percent(abs(gain['delta']))}{spread} against the same "
        "student that learnt from labels alone."
    )


def _line(one: Mapping[str, Any]) -> str:
    spread = "" if one["low"] is None else f" ({spanned((one['low'], one['high']))})"
    word = "gains" if one["delta"] >= 0 else "loses"
    kept = "" if one["may_serve"] else "; too large or too slow"
    return (
        f"{one['student'][0].upper()}{one['student'][1:]}: {word} {percent(abs(one['delta']))}{spread}, "
        f"{one['row_ms_p50']:.3g} ms a row, {in_bytes(one['size_bytes'])}{kept}."
    )
