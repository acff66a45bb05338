"""Which test rows of a study are shown on its page, with their truths and what was predicted of them.

Predictions are those that the verdict's scores were computed from: of the first outer fold's test rows, which neither
training nor any choice has seen. The record is plain JSON, `verdict.json`'s entry ``examples``.

Symbols: ``T`` tasks, ``C`` trials of the round, ``n`` rows shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.reports._example_picture import data_uri
from sharewise.strategies import mix
from sharewise.studies import Candidate, Plan, Result, Round
from sharewise.tasks import BoxRows, Classification, Kind, MaskRows, TagRows, said

MOST_ROWS = 8
MOST_WORDS = 60
MOST_SHOWN_BOXES = 12
SURE = 0.3
"""Score below which a predicted box is not shown."""
MASK_SIDE = 48
"""Cells of a mask's longer side at most."""
SIDES = ("shared", "separate")


def examples_of(
    problem: Problem,
    around: Round,
    plan: Plan,
    results: Sequence[Result],
    candidates: Sequence[Candidate],
    contrast: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Some test rows of a round; None where rows are no pictures or sentences, or predictions are not at hand.

    Args:
        results: The round's kept trials, with their predictions; of other plans too.
        candidates: What competed in that round.
        contrast: The verdict's entry: names of the best shared and the best separate candidate.
    """
    sort = _sort(problem)
    if sort is None or contrast is None:
        return None
    found: dict[str, tuple[str, list[NDArray[Any]]]] = {}
    for side in SIDES:
        name = contrast.get(side)
        one = next((c for c in candidates if c.name == name), None)
        told = None if one is None else _predictions(problem, around, plan, results, one)
        if one is not None and told is not None:
            found[side] = one.name, told
    if not found:
        return None
    rows = _drawn(problem, around)
    return {
        "sort": sort,
        "round": 1,
        "test_rows": len(around.test),
        "sure": SURE,
        "sides": [{"side": side, "name": name} for side, (name, _) in found.items()],
        "tasks": [_task(problem, place) for place in range(len(problem.tasks))],
        "rows": [_row(problem, around, found, int(place)) for place in rows],
    }


def _sort(problem: Problem) -> str | None:
    """What a row is."""
    if problem.table.of_kind("sentence"):
        return "sentences"
    tensors = problem.table.of_kind("tensor")
    if len(tensors) == 1 and tensors[0].values.dtype == np.uint8 and tensors[0].values.ndim == 4:
        return "pictures" if tensors[0].values.shape[1] in (1, 3) else None
    return None


def _predictions(
    problem: Problem, around: Round, plan: Plan, results: Sequence[Result], candidate: Candidate
) -> list[NDArray[Any]] | None:
    """By task a candidate's predictions of all test rows, put together as when it was scored; None unless they give
    its scores again."""
    trials = {
        result.spec.recipe: result
        for result in results
        if result.status == "done" and (result.spec.effort, result.spec.cap) == (plan.effort, plan.cap)
    }
    found = []
    for place, task in enumerate(problem.tasks):
        used = np.flatnonzero(candidate.weights[place])
        recipes = [candidate.recipes[at] for at in used]
        if not all(recipe in trials for recipe in recipes):
            return None
        what = problem.targets[task.target]
        own = np.stack([trials[recipe].test[task.target] for recipe in recipes])
        if own.shape[1] != len(around.test):
            return None
        known = np.flatnonzero(_labelled(problem, around, place) & said(own[..., 0]).all(axis=0))
        mixed = np.full(own.shape[1:], np.nan, dtype=own.dtype)
        everyone = np.flatnonzero(said(own[..., 0]).all(axis=0))
        mixed[everyone] = mix(candidate.weights[place][used], own[:, everyone], what.kind)
        if len(known):
            score = what.metric(problem.truths(task.target, around.test[known]), mixed[known])
            if not np.isclose(score, candidate.scores[place], rtol=1e-3, atol=1e-4, equal_nan=True):
                return None
        found.append(mixed)
    return found


def _labelled(problem: Problem, around: Round, task: int) -> NDArray[np.bool_]:
    """Which test rows have an answer of a task."""
    known = np.zeros(len(problem), dtype=bool)
    known[problem.rows_of(problem.tasks[task])] = True
    return known[around.test]


def _drawn(problem: Problem, around: Round) -> NDArray[np.intp]:
    """Places among the test rows: at random among those with most answers, never by what was predicted."""
    answers = np.sum([_labelled(problem, around, place) for place in range(len(problem.tasks))], axis=0)
    order = np.random.default_rng(around.seed).permutation(len(around.test))
    chosen = order[np.argsort(-answers[order], kind="stable")][:MOST_ROWS]
    return np.sort(chosen)


def _task(problem: Problem, place: int) -> dict[str, Any]:
    task = problem.tasks[place]
    kind = problem.targets[task.target].kind
    classes: Sequence[Any] = kind.of.classes if isinstance(kind, MaskRows | BoxRows) else ()
    return {"name": task.name, "kind": kind.name, "classes": [str(one)[:40] for one in classes[:40]]}


def _row(
    problem: Problem, around: Round, found: Mapping[str, tuple[str, list[NDArray[Any]]]], place: int
) -> dict[str, Any]:
    row = int(around.test[place])
    record: dict[str, Any] = {"row": row if problem.rows is None else int(problem.rows[row]), "answers": []}
    sentences = problem.table.of_kind("sentence")
    if sentences:
        record["words"] = [str(word)[:60] for word in sentences[0].values[row][:MOST_WORDS]]
    else:
        pixels = problem.table.of_kind("tensor")[0].values[row]
        record |= {"height": int(pixels.shape[1]), "width": int(pixels.shape[2]), "picture": data_uri(pixels)}
    for at, task in enumerate(problem.tasks):
        kind = problem.targets[task.target].kind
        if problem.level is not None and problem.level[row] != task.level:
            continue
        known = bool(_labelled(problem, around, at)[place])
        truth = problem.truths(task.target, np.array([row]))[0] if known else None
        entry = {"task": at, "truth": None if truth is None else shown_truth(kind, truth)}
        for side, (_, predictions) in found.items():
            own = predictions[at][place]
            entry[side] = shown(kind, own) if said(own).all() else None
        record["answers"].append(entry)
    return record


def shown_truth(kind: Kind, truth: Any) -> Any:
    """A truth as plain JSON: tags, runs of a mask, boxes, or text."""
    if isinstance(kind, TagRows):
        return [str(kind.of.labels[int(code)])[:40] for code in truth[:MOST_WORDS]]
    if isinstance(kind, MaskRows):
        return runs(np.where(truth == kind.of.ignore, -1, truth.astype(np.int64)))
    if isinstance(kind, BoxRows):
        return [[*_corners(box), int(box[4])] for box in truth[:MOST_SHOWN_BOXES]]
    if isinstance(kind, Classification):
        return {"text": str(kind.classes[int(truth)])[:60]}
    return {"text": f"{float(truth):.4g}"}


def shown(kind: Kind, prediction: NDArray[Any]) -> Any:
    """A prediction ``(W,)``, or a cell ``(1,)``, likewise; boxes and classes with how sure they are."""
    if isinstance(kind, TagRows):
        return [str(tag)[:40] for tag in kind.of.decode(prediction[0])[:MOST_WORDS]]
    if isinstance(kind, MaskRows):
        return runs(prediction[0].argmax(axis=0))
    if isinstance(kind, BoxRows):
        sure = [box for box in prediction[0] if box[5] >= SURE][:MOST_SHOWN_BOXES]
        return [[*_corners(box), int(box[4]), round(float(box[5]), 2)] for box in sure]
    text = str(kind.decode(prediction[None])[0])
    if isinstance(kind, Classification):
        place = [str(one) for one in kind.classes].index(text)
        return {"text": text[:60], "share": round(float(prediction[place]), 3)}
    return {"text": f"{float(prediction[0]):.4g}"}


def _corners(box: NDArray[Any]) -> list[float]:
    return [round(float(value), 1) for value in box[:4]]


def runs(codes: NDArray[Any]) -> dict[str, Any]:
    """Codes ``(H, W)``, thinned to `MASK_SIDE` cells, as what stands how often from left to right and downwards."""
    step = max(1, -(-max(codes.shape) // MASK_SIDE))
    small = codes[step // 2 :: step, step // 2 :: step]
    flat = small.ravel()
    ends = np.append(np.flatnonzero(np.diff(flat)), len(flat) - 1)
    counts = np.diff(ends, prepend=-1)
    pairs = [[int(flat[end]), int(count)] for end, count in zip(ends, counts, strict=True)]
    return {"height": int(small.shape[0]), "width": int(small.shape[1]), "runs": pairs}
