"""How the comparison was made, in words a newcomer understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sharewise.reports._format import count, decimal, plural, seconds, short_percent
from sharewise.reports._tuning import tuning_words
from sharewise.reports._values import number, table, text

Entry = tuple[str, str]


def protocol(verdict: Mapping[str, Any]) -> list[Entry]:
    """Terms and their explanations, with this study's own numbers in them."""
    facts = table(verdict.get("protocol"))
    confidence = short_percent(number(facts.get("confidence")) or 0.95)
    rope = short_percent(_rope(facts))
    return [
        ("Question", _question(facts)),
        ("Data", _data(facts)),
        ("Folds and rounds", _folds(facts)),
        ("Tuning", " ".join(words for words in (_tuning(facts), tuning_words(verdict)) if words)),
        ("Metric", _metrics(facts)),
        (
            "Score (skill)",
            "The share of a constant predictor's error that a model removes, averaged over tasks: 1 is "
            "perfect, 0 is no better than always predicting the same value, below 0 is worse than that.",
        ),
        (
            "Gain (delta)",
            "The relative gain over separate models, averaged over tasks; +1% means one percent better. The "
            "separate models are the best that the inner folds could choose, whatever their family. “Within "
            "its family” compares with separate models of the same family instead: it tells what sharing "
            "does, while the first tells what to deploy.",
        ),
        (
            "ROPE",
            f"The region of practical equivalence: a difference below {rope} either way is taken as no "
            "difference. It is the grey band in the plots.",
        ),
        (
            "Interval",
            f"The true gain lies in it with {confidence} probability, given these rounds. It is Student’s t for the "
            "mean of the rounds’ paired differences. Further repeats of the folds narrow it only a little, because "
            "they test on the same rows again.",
        ),
        (
            "Better with probability",
            f"How likely the true gain is above {rope}; the rest is shared by “equivalent” (inside the ROPE) "
            "and “worse”.",
        ),
        (
            "Decision for a task",
            "“share” or “separate” only where the evidence is clear after a correction for the number of "
            "tasks looked at; “unclear” otherwise.",
        ),
        ("Run", _run(facts)),
    ]


def other_facts(verdict: Mapping[str, Any]) -> list[Entry]:
    """The simple numbers and words of the data profile."""
    entries = []
    for key, value in table(verdict.get("profile")).items():
        if isinstance(value, bool):
            words = "yes" if value else "no"
        elif isinstance(value, str):
            words = text(value, 200)
        elif (known := number(value)) is not None:
            words = count(known) if known == round(known) and abs(known) < 1e15 else decimal(known)
        else:
            continue
        entries.append((text(key, 80).replace("_", " "), words))
    return entries[:60]


def versions(verdict: Mapping[str, Any]) -> list[Entry]:
    """Programs and their versions."""
    return [(text(name, 60), text(value, 80)) for name, value in table(verdict.get("versions")).items()][:60]


def _rope(facts: Mapping[str, Any]) -> float:
    rope = number(facts.get("rope"))
    return 0.01 if rope is None else rope


def _question(facts: Mapping[str, Any]) -> str:
    question = text(facts.get("question"), 60)
    known = {
        "known": "Serve the tasks at hand (“known”).",
        "new": "Serve tasks that have not been seen yet and will arrive with few labels (“new”).",
    }
    return known.get(question, question or "Not recorded.")


def _data(facts: Mapping[str, Any]) -> str:
    named = (("rows", "row"), ("features", "feature"), ("tasks", "task"))
    known = [(number(facts.get(key)), word) for key, word in named]
    parts = [plural(round(amount), word) for amount, word in known if amount is not None]
    return ", ".join(parts) + "." if parts else "Not recorded."


def _folds(facts: Mapping[str, Any]) -> str:
    outer, repeats, rounds = (number(facts.get(key)) for key in ("outer_folds", "repeats", "rounds"))
    split = text(facts.get("split"), 120) or "in a way that was not recorded"
    manner = {"random": "at random", "by time": "by time (a model never sees the future)"}.get(split, split)
    parts = count(outer) if outer is not None else "several"
    words = (
        f"The rows were cut into {parts} parts (folds): {manner}. Each part was held out once "
        "while models learnt from the others"
    )
    if repeats is not None and repeats > 1:
        words += f", and this was repeated {count(repeats)} times with other cuts"
    words += ". Every number on this page comes from held-out rows that no choice has seen."
    if rounds is not None:
        planned = f" of {count(outer * repeats)}" if outer is not None and repeats is not None else ""
        words += f" {count(rounds)}{planned} such rounds were finished."
    return words


def _tuning(facts: Mapping[str, Any]) -> str:
    inner, budget, trials = (number(facts.get(key)) for key in ("inner_folds", "budget_seconds", "trials"))
    folds = f"{count(inner)} inner folds" if inner is not None else "inner folds"
    words = f"Every strategy chose its settings on {folds} of the training rows, with equal budgets"
    words += f" ({seconds(budget)} in all)" if budget is not None else " (no time limit was set)"
    effort = text(facts.get("effort"), 40)
    words += f"; effort “{effort}”" if effort else ""
    words += f"; {plural(round(trials), 'trial')} in all" if trials is not None else ""
    return words + "."


def _metrics(facts: Mapping[str, Any]) -> str:
    amounts = Counter(text(metric, 40) for metric in table(facts.get("metrics")).values())
    if not amounts:
        return "Not recorded."
    if len(amounts) == 1:
        return f"{next(iter(amounts))} for every task."
    parts = [f"{metric} ({plural(amount, 'task')})" for metric, amount in amounts.most_common(20)]
    return ", ".join(parts) + "."


def _run(facts: Mapping[str, Any]) -> str:
    seed, spent, workers = (number(facts.get(key)) for key in ("seed", "seconds", "workers"))
    parts = []
    if spent is not None:
        parts.append(f"took {seconds(spent)}")
    if workers is not None:
        parts.append(f"used {plural(round(workers), 'worker')}")
    if seed is not None:
        parts.append(f"started from seed {seed:.0f}")
    return f"The study {', '.join(parts)}." if parts else "Not recorded."
