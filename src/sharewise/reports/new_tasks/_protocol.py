"""How new tasks were simulated and strategies compared, in words a newcomer understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharewise.reports._format import count, plural, seconds, short_percent
from sharewise.reports._values import number, rows, table, text

Entry = tuple[str, str]


def new_protocol(verdict: Mapping[str, Any]) -> list[Entry]:
    """Terms and their explanations, with this study's own numbers in them."""
    facts = table(verdict.get("protocol"))
    pool = number(verdict.get("ways")) is not None
    confidence = short_percent(number(facts.get("confidence")) or 0.95)
    rope = number(facts.get("rope"))
    region = short_percent(0.01 if rope is None else rope)
    entries = [
        ("Question", "Serve tasks that have not been seen yet and will arrive with few labels (“new”)."),
        ("Data", _data(facts, pool=pool)),
        ("How tasks were split", _split(facts, pool=pool)),
        ("Draws", _draws(verdict, pool=pool)),
        (
            "Choosing",
            "In each round and for each number of labels, the validation tasks choose the configuration that stands for "
            "a strategy and the strategy that stands for a side. Test tasks only measure.",
        ),
        ("Equal compute", _compute(verdict)),
        (
            "Inductive",
            "Every query row is predicted by itself; no strategy sees the other query rows of a task.",
        ),
        ("Metric", text(table(verdict.get("metric")).get("name"), 60) or "Not recorded."),
        (
            "Gain of sharing",
            "What the best that uses other tasks gains, relative to the best that does not (a model from scratch, nearest "
            "neighbours, a constant), on the same test tasks; +1% means one percent better.",
        ),
        (
            "ROPE",
            f"The region of practical equivalence: a difference below {region} either way is taken as no difference. It "
            "is the grey band in the figure.",
        ),
        (
            "Interval",
            f"The true value lies in it with {confidence} probability, given these rounds. It is Student’s t for the mean "
            "of the rounds. Further repeats of the folds narrow it only a little, because they test on the same tasks again.",
        ),
        (
            "Claim",
            "“share” or “separate” only where the evidence is clear after Holm’s correction for the numbers of labels "
            "looked at; “equivalent” where the gain lies inside the ROPE; “undecided” otherwise.",
        ),
        (
            "Crossing",
            "Between measured numbers of labels every round’s gain is taken to be straight over their logarithm. A number "
            "of labels is a possible crossing where the interval of the gain there holds zero. Nothing is said beyond what "
            "was measured.",
        ),
        ("Run", _run(facts)),
    ]
    return [entry for entry in entries if entry[1]]


def _data(facts: Mapping[str, Any], *, pool: bool) -> str:
    named = (("rows", "row", "rows"), ("features", "feature", "features"), ("tasks", "task", "tasks"))
    if pool:
        named = (*named[:2], ("tasks", "class", "classes"))
    known = [(number(facts.get(key)), one, several) for key, one, several in named]
    parts = [plural(round(amount), one, several) for amount, one, several in known if amount is not None]
    return ", ".join(parts) + "." if parts else ""


def _split(facts: Mapping[str, Any], *, pool: bool) -> str:
    what = "classes" if pool else "tasks"
    folds, done, planned = (number(facts.get(key)) for key in ("outer_folds", "rounds", "rounds_planned"))
    parts = f"{count(folds)} parts" if folds is not None else "parts"
    words = (
        f"Whole {what}, not rows, were cut into {parts}. In each round the {what} of one part are the test {what}; of the "
        f"others about a fifth are validation {what}, to choose and to stop by, and strategies learn across the rest. No "
        f"row of a test {'class' if pool else 'task'} is seen before its few labels arrive. Each round has its own training seed."
    )
    if done is not None:
        of = f" of {count(planned)}" if planned is not None and planned > done else ""
        words += f" {count(done)}{of} rounds were finished."
    return words


def _draws(verdict: Mapping[str, Any], *, pool: bool) -> str:
    facts = table(verdict.get("protocol"))
    shots = [number(entry.get("k")) for entry in rows(verdict.get("shots"))]
    named = ", ".join(count(k) for k in shots if k is not None) or "a few"
    if pool:
        task = f"A new task is a draw of {count(number(verdict.get('ways')))} test classes with {named} labelled rows of each"
    else:
        task = f"A test task brings {named} labelled rows (its support)"
    amount = number(facts.get("draws"))
    times = (
        f" {plural(round(amount), 'draw')} {'in all' if pool else 'a test task'} were made."
        if amount is not None
        else ""
    )
    queries = number(facts.get("queries"))
    most = "" if queries is None else f", at most {count(queries)}{' of each class' if pool else ''}"
    return (
        f"{task}, the smaller sets inside the larger. Other rows of it (the query{most}) are predicted and scored. Every "
        f"strategy gets the same draws.{times} A task with too few rows for a number of labels is left out of it."
    )


def _compute(verdict: Mapping[str, Any]) -> str:
    limit = number(verdict.get("learning_seconds"))
    words = "Every configuration could learn for the same CPU time in each round"
    return f"{words}{f', {seconds(limit)}' if limit is not None else ''}; what needs less takes less."


def _run(facts: Mapping[str, Any]) -> str:
    seed, spent, workers, trials, budget = (
        number(facts.get(key)) for key in ("seed", "seconds", "workers", "trials", "budget_seconds")
    )
    parts = []
    if spent is not None:
        parts.append(f"took {seconds(spent)}")
    if budget is not None:
        parts.append(f"had a budget of {seconds(budget)}")
    if trials is not None:
        parts.append(f"made {plural(round(trials), 'trial')}")
    if workers is not None:
        parts.append(f"used {plural(round(workers), 'worker')}")
    if seed is not None:
        parts.append(f"started from seed {seed:.0f}")
    return f"The study {', '.join(parts)}." if parts else ""
