"""The top of the page: outcome, sentence, gain, what to deploy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import count, percent, plural, probability, short_percent, span
from sharewise.reports._values import items, number, pair, table, text

OUTCOMES = {
    "share": ("Share", "Gain over separate models"),
    "separate": ("Keep separate", "What sharing would change"),
    "route": ("Route task by task", "Gain over separate models"),
    "equivalent": ("Equivalent", "Difference from separate models"),
    "undecided": ("Undecided", "Difference from separate models, so far"),
}


@dataclass(frozen=True)
class Part:
    """A piece of the probability bar: x and width in percent of it."""

    name: str
    words: str
    x: float
    width: float


@dataclass(frozen=True)
class Headline:
    """Everything above the fold."""

    outcome: str
    badge: str
    sentence: str
    gain_heading: str
    gain: str
    gain_interval: str
    gain_note: str
    probabilities: tuple[Part, ...]
    deploy: str
    choice: str
    warnings: tuple[str, ...]
    because: tuple[str, ...]
    would_change: tuple[str, ...]
    needed: tuple[str, ...]


def headline(verdict: Mapping[str, Any]) -> Headline:
    """Read the top of the page from the verdict."""
    outcome = text(verdict.get("outcome"), 40) or "undecided"
    badge, heading = OUTCOMES.get(outcome, (outcome, "Difference from separate models"))
    contrast, choice = table(verdict.get("contrast")), table(verdict.get("choice"))
    confidence, rounds = number(contrast.get("confidence")), number(contrast.get("rounds"))
    interval = pair(contrast.get("interval"))
    kind = short_percent(confidence) if confidence is not None else "95%"
    picked = [text(choice.get(key), 60) for key in ("strategy", "family")]
    return Headline(
        outcome=outcome if outcome in OUTCOMES else "undecided",
        badge=badge,
        sentence=text(verdict.get("sentence")) or "No sentence was written.",
        gain_heading=heading,
        gain=percent(number(contrast.get("delta"))) if contrast else "Not measured yet",
        gain_interval=f"{kind} interval: {span(interval)}" if interval is not None else "",
        gain_note=f"from {plural(round(rounds), 'round')}" if rounds is not None else "",
        probabilities=probability_bar(contrast),
        deploy=text(choice.get("describe"), 400) or "Nothing to deploy yet",
        choice=", ".join(part for part in picked if part),
        warnings=_sentences(verdict.get("warnings")),
        because=_sentences(verdict.get("because")),
        would_change=_sentences(verdict.get("would_change")),
        needed=_needed(table(verdict.get("needed"))),
    )


def probability_bar(contrast: Mapping[str, Any]) -> tuple[Part, ...]:
    """Better, equivalent and worse side by side; empty unless all three are known."""
    names = ("worse", "equivalent", "better")
    known = [number(contrast.get(f"probability_{name}")) for name in names]
    shares = [max(share, 0.0) for share in known if share is not None]
    total = sum(shares)
    if len(shares) < len(names) or total <= 0:
        return ()
    parts, start = [], 0.0
    for name, share in zip(names, shares, strict=True):
        width = 100 * share / total
        parts.append(Part(name, probability(share / total), start, width))
        start += width
    return tuple(parts)


def _sentences(value: object, most: int = 30) -> tuple[str, ...]:
    return tuple(words for entry in items(value)[:most] if (words := text(entry, 600)))


def _needed(needed: Mapping[str, Any]) -> tuple[str, ...]:
    words = [text(needed.get("text"), 1000)]
    for key, name in (("labels", "more labels"), ("rounds", "more rounds")):
        amount = number(needed.get(key))
        if amount and count(amount) not in words[0]:
            words.append(f"About {count(amount)} {name}.")
    return tuple(word for word in words if word)
