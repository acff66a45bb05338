"""``card.md``: what a model is, what it was measured to do, and what it is not for; written from its card alone.

The same model gives the same text: nothing in it tells the day or the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sharewise.problems import Schema, Target
from sharewise.serving._card_words import bullets, names, number, percent, shown, size, table, with_interval

FEW_LABELS = 30


def card_text(card: Mapping[str, Any], schema: Schema, targets: Sequence[Target]) -> str:
    """A model's card as Markdown; entries that a card does not have are left out."""
    verdict = _part(card, "verdict")
    lines = ["# Model card", "", shown(verdict.get("sentence") or _without(card, targets), 2000), ""]
    for title, found in (
        ("Verdict", _verdict(verdict)),
        ("Distilled", _distilled(_part(card, "distilled"))),
        ("Adapted to", _adapted(card)),
        ("Tasks", _tasks(card, targets)),
        ("By number of labels", _shots(card)),
        ("Data", _data(card, schema)),
        ("Inputs", _inputs(schema)),
        ("How it was compared", _protocol(_part(card, "protocol"), _part(card, "limits"))),
        ("Cost", _cost(_part(_part(card, "distilled"), "after") or _part(card, "serving"))),
        ("Limits", _limits(card, schema)),
        ("Versions", _versions(_part(card, "trained_with"))),
    ):
        if found:
            lines += [f"## {title}", "", *found, ""]
    return "\n".join(lines)


def _part(card: object, key: str) -> Mapping[str, Any]:
    """An entry that holds entries; a card that others wrote may hold anything."""
    found = card.get(key) if isinstance(card, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _entries(card: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Tasks by name."""
    return {name: entry for name, entry in _part(card, "tasks").items() if isinstance(entry, Mapping)}


def _listed(card: Mapping[str, Any], key: str) -> list[Any]:
    found = card.get(key)
    return found if isinstance(found, list) else []


def _without(card: Mapping[str, Any], targets: Sequence[Target]) -> str:
    tasks = f"{len(targets)} targets" if len(targets) > 1 else f"'{targets[0].name}'"
    return (
        f"A model of {tasks}, fitted without a study: nothing was compared."
        if not card
        else f"A model of {tasks}."
    )


def _verdict(verdict: Mapping[str, Any]) -> list[str]:
    if not verdict:
        return []
    choice = _part(verdict, "choice")
    found = [
        f"Outcome: **{shown(verdict.get('outcome'))}**. Serves: {shown(choice.get('describe') or '–', 1000)}.",
        "",
    ]
    found += bullets(_listed(verdict, "because"))
    if members := _listed(choice, "members"):
        found += ["", f"Fitted on all rows: {names(members, 20)}."]
    if changes := _listed(verdict, "would_change"):
        found += ["", "What would change it:", "", *bullets(changes)]
    return found


def _distilled(record: Mapping[str, Any]) -> list[str]:
    if not record:
        return []
    return [
        *bullets([record.get("sentence", "")]),
        "",
        "Verdict, tasks and what was fitted are those of the model that it was taught by.",
    ]


def _adapted(card: Mapping[str, Any]) -> list[str]:
    if "task" not in card:
        return []
    by = _part(card, "served_by")
    rows = [
        [shown(name), number(count), shown(by.get(name, "–"))]
        for name, count in _part(card, "labels").items()
    ]
    return [
        f"The task **{shown(card['task'])}**, from its own few labels; the study did not measure this task.",
        "",
        *table(["target", "labels", "served by"], rows),
    ]


def _tasks(card: Mapping[str, Any], targets: Sequence[Target]) -> list[str]:
    entries = _entries(card)
    if not entries:
        rows = [[shown(t.name), t.kind.name, shown(t.metric.name)] for t in targets]
        return table(["target", "kind", "metric"], rows)
    rows = []
    for name, entry in entries.items():
        scores, served, choice = (_part(entry, key) for key in ("scores", "served", "choice"))
        rows.append(
            [
                shown(name), shown(entry.get("kind")), number(entry.get("labels")),
                shown(" ".join(str(choice.get(key, "")) for key in ("strategy", "family"))),
                shown(entry.get("metric")), number(served.get("score")), number(scores.get("constant")),
                with_interval(served.get("removed"), served.get("interval")),
                with_interval(entry.get("delta"), entry.get("interval")),
            ]
        )  # fmt: skip
    head = [
        "task",
        "kind",
        "labels",
        "served by",
        "metric",
        "score",
        "constant",
        "error removed",
        "gain of sharing",
    ]
    return [
        *table(head, rows),
        "",
        "Scores are those of the outer test rows, which no choice has seen. *Error removed* is the share of a constant's "
        "error that is gone, *gain of sharing* the relative gain of the side that shares over the one that does not; in "
        "brackets their intervals, where there were rounds enough for one.",
    ]


def _shots(card: Mapping[str, Any]) -> list[str]:
    rows = []
    for shot in (one for one in _listed(card, "shots") if isinstance(one, Mapping)):
        score, choice = _part(shot, "score"), _part(shot, "choice")
        own = f"{choice.get('strategy', '')} {choice.get('family', '')}"
        rows.append(
            [
                number(shot.get("k")), number(shot.get("tasks")), shown(own), number(score.get("shared")),
                number(score.get("separate")), number(score.get("constant")),
                with_interval(shot.get("gain"), shot.get("interval")),
            ]
        )  # fmt: skip
    head = ["labels", "tasks", "chosen", "sharing", "not sharing", "constant", "gain of sharing"]
    return table(head, rows) if rows else []


def _data(card: Mapping[str, Any], schema: Schema) -> list[str]:
    data = _part(card, "data")
    if not data:
        return []
    kinds = ", ".join(f"{number(count)} of {shown(kind)}" for kind, count in _part(data, "features").items())
    found = [
        f"{number(data.get('rows'))} rows; columns: {kinds or '–'}. Labels a task: {number(data.get('fewest'))} to "
        f"{number(data.get('most'))}, the median {number(data.get('median'))}."
    ]
    if schema.level_name is not None:
        found.append(f"A row belongs to one task, named in the column **{shown(schema.level_name)}**.")
    if data.get("groups") is not None:
        found.append(f"{number(data['groups'])} groups, each on one side of every split.")
    if missing := _part(data, "gaps"):
        rows = [[shown(name), percent(share)] for name, share in missing.items()]
        found += ["", *table(["column with gaps", "rows without a value"], rows)]
    return found


def _inputs(schema: Schema) -> list[str]:
    if schema.shape is not None:
        return [
            f"Tensors of shape {shown(schema.shape)}, {shown(schema.dtype)}, for an encoder of the user's own."
        ]
    return table(
        ["column", "kind"], [[shown(n), k] for n, k in zip(schema.features, schema.kinds, strict=True)]
    )


def _protocol(protocol: Mapping[str, Any], limits: Mapping[str, Any]) -> list[str]:
    told = {
        "question": "Question", "split": "Split", "outer_folds": "Outer folds", "repeats": "Repeats", "rounds": "Rounds",
        "inner_folds": "Inner folds", "effort": "Effort", "trials": "Trials", "seed": "Seed",
        "rope": "Region of equivalence", "confidence": "Confidence",
    }  # fmt: skip
    rows = [f"{name}: {shown(protocol[key])}" for key, name in told.items() if protocol.get(key) is not None]
    rows += [f"Limits asked for: {shown(limits['text'])}"] if limits.get("text") else []
    return [f"- {row}" for row in rows]


def _cost(cost: Mapping[str, Any]) -> list[str]:
    if not cost:
        return []
    return [
        f"One row, all tasks: {number(cost.get('row_ms_p50'))} ms (p50), {number(cost.get('row_ms_p99'))} ms (p99). "
        f"{number(cost.get('batch_rows'))} rows at once: {number(cost.get('batch_ms'))} ms. On disk: "
        f"{size(cost.get('size_bytes'))}. Measured where it was fitted, on one thread.",
        "",
        f"When one task's labels change, {_counted(cost.get('retrained'))} fitted anew.",
    ]


def _counted(tasks: object) -> str:
    return "its own model is" if tasks == 1 else f"the models of {number(tasks)} tasks are"


def _limits(card: Mapping[str, Any], schema: Schema) -> list[str]:
    tasks = _entries(card)
    few = [
        name
        for name, entry in tasks.items()
        if isinstance(count := entry.get("labels"), int) and count < FEW_LABELS
    ]
    harmed = [name for name, entry in tasks.items() if entry.get("decision") == "separate"]
    weak = [name for name, entry in tasks.items() if _no_better(_part(entry, "served"))]
    found = [
        "Rows unlike those it learnt from are predicted without a warning: beyond the ranges of the data linear models "
        "go on in a line, trees stay at their last value, and neither is known to be right.",
    ]
    if any(kind in ("category", "text") for kind in schema.kinds):
        found.append("Words that the data did not hold count as unknown.")
    how = _part(card, "data").get("split_by")
    if _part(card, "data") and how is None:
        found.append(
            "Test rows were drawn at random: nothing was measured about later times or about groups not seen."
        )
    elif how == "group":
        found.append(
            "Test rows are of other groups, of the same time: nothing was measured about later times."
        )
    elif how == "time":
        found.append("Test rows are later ones: how fast the scores fade beyond them was not measured.")
    if tasks:
        found.append(
            "What serves was fitted on all rows; the scores are of fits on the training rows of each fold."
        )
    lines = [f"- {sentence}" for sentence in found]
    if few:
        lines.append(
            f"- Fewer than {FEW_LABELS} labels, so that their own scores are uncertain: {names(few)}."
        )
    if harmed:
        lines.append(f"- Sharing harms; what serves them stands in the table of tasks: {names(harmed)}.")
    if weak:
        lines.append(f"- Not clearly better than a constant: {names(weak)}.")
    return lines + bullets(_listed(card, "warnings"))


def _no_better(served: Mapping[str, Any]) -> bool:
    match served.get("interval"):
        case [low, _] if isinstance(low, float | int):
            return low <= 0
    return False


def _versions(versions: Mapping[str, Any]) -> list[str]:
    return [f"- {shown(name)} {shown(version)}" for name, version in versions.items()]
