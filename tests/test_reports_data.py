"""Verdicts and ledgers to draw, with the shapes of real ones and with the names nobody wishes for."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sharewise.studies._diagnosis import Diagnosis
from sharewise.verdicts._curve import CurvePoint, learning_curve
from sharewise.verdicts._harm import harm
from sharewise.verdicts._hints import hints

FAMILIES = ("linear", "trees", "network")
TWELVE = [
    *((name, family) for name in ("separate", "joint") for family in FAMILIES),
    ("chained", "linear"),
    ("chained", "trees"),
    ("grouped", "trees"),
    ("transfer", "network"),
    ("pretrained", "network"),
    ("ensemble", "blend"),
]
NINETEEN = [
    *(
        (name, family)
        for name in ("separate", "joint", "grouped", "chained", "transfer", "pretrained")
        for family in FAMILIES
    ),
    ("ensemble", "blend"),
]
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "{{ 7*7 }}{% raw %}",
    "משימה עברית",
    "👩‍👩‍👧‍👦 family 🎉",
    "x" * 5000,
    "a\u202eevil",
    "nul\x00\x1b",
    "\ud800lone",
    "'quote' \"dq\" &amp; &",
    "]]><!-- -->",
    "",
    "任务" * 60,
    "</style></svg></title>",
)


def hostile_names(amount: int) -> list[str]:
    """Unique hostile names."""
    return [f"{HOSTILE[i % len(HOSTILE)]} {i}" if i >= len(HOSTILE) else HOSTILE[i] for i in range(amount)]


def make_verdict(
    tasks: list[str], pairs: list[tuple[str, str]], outcome: str = "share", seed: int = 0
) -> dict[str, Any]:
    """A complete verdict with random numbers."""
    rng = random.Random(seed)
    return {
        "outcome": outcome,
        "sentence": "Share: one joint model of trees is 3.4% better than separate models.",
        "choice": {"strategy": "joint", "family": "trees", "describe": "one joint model of trees"},
        "contrast": {
            "delta": 0.034,
            "interval": [0.012, 0.056],
            "probability_better": 0.93,
            "probability_equivalent": 0.06,
            "probability_worse": 0.01,
            "rope": 0.01,
            "confidence": 0.95,
            "rounds": 10,
        },
        "per_task": {task: _task(rng) for task in tasks},
        "strategies": [_strategy(rng, name, family, tasks) for name, family in pairs],
        "because": ["Joint trees beat separate trees in 9 of 10 rounds."],
        "would_change": ["Ten times more labels a task."],
        "needed": {"labels": 400, "rounds": 10, "text": "About 400 more labels would settle it."},
        "protocol": {
            "question": "known",
            "seed": 0,
            "outer_folds": 5,
            "repeats": 2,
            "rounds": 10,
            "inner_folds": 5,
            "effort": "standard",
            "budget_seconds": 300.0,
            "seconds": 120.3,
            "workers": 2,
            "rows": 2287,
            "features": 20,
            "tasks": len(tasks),
            "split": "kept whole by schoolNR",
            "rope": 0.01,
            "confidence": 0.95,
            "trials": 240,
            "metrics": dict.fromkeys(tasks, "rmse"),
        },
        "profile": {
            "rows": 2287,
            "label_density": 0.93,
            "nested": {"a": 1},
            "shape": "wide",
            "grouped": True,
        },
        "warnings": ["Column 'IQ_verb' may be a leak."],
        "versions": {"sharewise": "0.1.0"},
    }


def _task(rng: random.Random) -> dict[str, Any]:
    delta = rng.gauss(0.03, 0.07)
    return {
        "labels": rng.randint(30, 900),
        "metric": "rmse",
        "decision": rng.choice(["share", "separate", "unclear"]),
        "choice": {"strategy": "joint", "family": "trees"},
        "delta": delta,
        "interval": [delta - 0.04, delta + 0.04],
        "p_adjusted": rng.random(),
        "scores": {"constant": 8.9, "separate": 7.1, "shared": 6.9},
    }


def _strategy(rng: random.Random, name: str, family: str, tasks: list[str]) -> dict[str, Any]:
    delta, half = rng.gauss(0, 0.05), abs(rng.gauss(0.025, 0.015))
    return {
        "name": name,
        "family": family,
        "score": 0.41 + delta,
        "interval": [0.38 + delta, 0.44 + delta],
        "delta": delta,
        "delta_interval": [delta - half, delta + half],
        "probability_better": rng.random(),
        "within": None
        if name == "separate"
        else {
            "delta": delta / 2,
            "interval": [delta / 2 - half, delta / 2 + half],
            "probability_better": 0.5,
        },
        "cost": {
            "train_seconds": rng.lognormvariate(1, 1.5),
            "fits": rng.randint(1, 200),
            "steps": rng.randint(0, 20000),
            "predict_ms_per_1000_rows": rng.lognormvariate(0, 1),
            "size_bytes": rng.randint(10**4, 10**7),
            "peak_memory_bytes": 10**8,
        },
        "tasks": {task: {"score": 0.4, "delta": rng.gauss(delta, 0.06)} for task in tasks},
        "status": "done",
        "note": None,
    }


def empty_verdict() -> dict[str, Any]:
    """Every key present, nothing known: no round has finished."""
    return {
        "outcome": "undecided",
        "sentence": "No round has finished, so nothing can be said yet.",
        "choice": {"strategy": None, "family": None, "describe": None},
        "contrast": None,
        "per_task": {
            "a": {
                "labels": 40,
                "metric": None,
                "decision": "unclear",
                "choice": None,
                "delta": None,
                "interval": None,
                "p_adjusted": None,
                "scores": None,
            }
        },
        "strategies": [
            {
                "name": name,
                "family": family,
                "score": None,
                "interval": None,
                "delta": None,
                "delta_interval": None,
                "probability_better": None,
                "within": None,
                "cost": None,
                "tasks": {},
                "status": "cut",
                "note": None,
            }
            for name, family in TWELVE[:4]
        ],
        "because": [],
        "would_change": [],
        "needed": None,
        "protocol": dict.fromkeys(("question", "seed", "outer_folds", "rounds", "rope", "metrics")),
        "profile": {},
        "warnings": [],
        "versions": {},
    }


def make_ledger(amount: int, pairs: list[tuple[str, str]], seed: int = 0) -> list[dict[str, Any]]:
    """Trials in order."""
    rng = random.Random(seed)
    return [
        {
            "repeat": i // 50,
            "fold": i % 5,
            "strategy": pairs[i % len(pairs)][0],
            "family": pairs[i % len(pairs)][1],
            "configuration": f"depth={rng.randint(2, 9)}",
            "status": rng.choice(["done", "done", "cut", "failed"]),
            "seconds": rng.random() * 9,
            "fits": 5,
            "steps": 300,
            "peak_memory_bytes": 10**8,
            "size_bytes": 52000,
            "message": None if rng.random() < 0.9 else "ran out of budget <b>",
        }
        for i in range(amount)
    ]


def make_insight(tasks: list[str], seed: int = 0, rounds: int = 5, left: int = 7) -> dict[str, Any]:
    """What a study learnt beside its rounds; the curve and the effects are computed as in a study."""
    rng = np.random.default_rng(seed)
    return {
        "race": {
            "rule": "after rounds 1, 2, 3 and 5 those leave that can neither lead their side nor improve its ensemble",
            "error_rate": 0.05,
            "left": [_leaver(rng, i) for i in range(left)],
        },
        "tuning": {
            "proposals": 12,
            "trials": {"separate": 36, "joint": 36},
            "seconds": {"separate": 41.0, "joint": 39.5},
        },
        "learning_curve": make_curve(rng, rounds),
        "harm": make_harm(rng, tasks, rounds),
        "groups": make_groups(tasks),
        "hints": make_hints(tasks[:16]),
    }


def _leaver(rng: np.random.Generator, index: int) -> dict[str, Any]:
    behind = float(rng.uniform(0.02, 0.2))
    strategy, family = NINETEEN[(5 * index) % len(NINETEEN)]
    return {
        "strategy": strategy,
        "family": family,
        "configuration": f"boosting(depth={rng.integers(2, 9)}, learning_rate={rng.uniform(0.01, 0.2):.3f})",
        "after_round": (1, 2, 3, 5)[index % 4],
        "behind": behind,
        "interval": [behind - 0.02, behind + 0.02],
        "why": "far behind, and the ensemble loses nothing without it",
    }


def make_curve(rng: np.random.Generator, rounds: int = 5, noise: float = 0.006) -> dict[str, Any]:
    """Sharing gains 13% at 5 labels a task and 3% at 40."""
    points = []
    for labels in (5, 10, 20, 40):
        gain = -0.03 + 0.35 * labels**-0.5 + rng.normal(0, noise, rounds)
        separate = 0.5 + 0.8 * labels**-0.5 + rng.normal(0, 0.03, rounds)
        points.append(CurvePoint(labels / 40, labels, separate, separate * (1 - gain), gain))
    return learning_curve(points, rope=0.01, confidence=0.95, overlap=0.25).as_dict()


def make_harm(rng: np.random.Generator, tasks: list[str], rounds: int = 5) -> dict[str, Any]:
    """The first task harms the second, the second helps the third, and nothing else happens."""
    count = len(tasks)
    gains = rng.normal(0, 0.004, (count, count, rounds))
    if count > 2:
        gains[0, 1] = -0.12 + 0.001 * np.arange(rounds)
        gains[1, 2] = 0.06 + 0.0005 * np.arange(rounds)
    gains[np.arange(count), np.arange(count)] = np.nan
    return harm(gains, tasks, rope=0.01, confidence=0.95, overlap=0.25).as_dict()


def make_groups(tasks: list[str]) -> dict[str, Any]:
    """Groups of four, of which each serves all but its last task; the last task is alone."""
    groups = [tasks[i : i + 4] for i in range(0, len(tasks) - 1, 4)]
    return {
        "family": "trees",
        "trained": 40,
        "groups": [
            *({"tasks": group, "serves": group[: max(1, len(group) - 1)]} for group in groups),
            {"tasks": tasks[-1:], "serves": tasks[-1:]},
        ],
        "gain_picked": 0.052,
        "gain_shrunk": 0.031,
    }


def make_hints(tasks: list[str], epochs: int = 12) -> dict[str, Any]:
    """Gradients that are noise."""
    rng = np.random.default_rng(len(tasks))
    count = len(tasks)
    square = rng.normal(0, 0.2, (count, count)).clip(-1, 1)
    apart = rng.uniform(0, 1, (count, count))
    np.fill_diagonal(apart, np.nan)
    seen = Diagnosis(
        tuple(tasks), "mlp(width=64)", 230, 57, epochs, 96, 1.2, rng.lognormal(0, 0.3, (epochs, count)),
        rng.normal(0.1, 0.05, epochs), rng.uniform(0.2, 0.5, epochs), apart, square, square, np.abs(square),
    )  # fmt: skip
    return hints(seen, None).as_dict()


def hostile_insight() -> dict[str, Any]:
    """What a study learnt, of tasks with hostile names, with values that no study writes."""
    bad = HOSTILE[0] + HOSTILE[1]
    insight = make_insight(hostile_names(14), left=400)
    insight["race"]["rule"] = insight["learning_curve"]["crossover"]["text"] = insight["harm"]["text"] = bad
    insight["race"]["left"][0] |= {"strategy": bad, "family": bad, "configuration": bad, "why": bad}
    insight["race"]["left"][1] |= {"after_round": None, "behind": float("nan"), "interval": [None, 3]}
    insight["race"]["left"][2] |= {"behind": 1e9, "interval": [-1e9, float("inf")]}
    insight["tuning"] |= {"trials": {bad: 3, "": None}, "seconds": {bad: float("nan")}}
    insight["groups"]["groups"].append({"tasks": hostile_names(300), "serves": None})
    insight["learning_curve"]["points"].append({"share": None, "labels": 1e300, "delta": -5.0})
    insight["learning_curve"]["points"].append(
        {"labels": 60, "separate": 1e6, "shared": None, "delta": -40.0}
    )
    insight["hints"] |= {"warning": bad, "text": bad, "verdict": bad, "cosine": [float("nan"), 1e300, bad]}
    insight["hints"]["lengths"][3:5] = [None, [float("inf")] * 99]
    insight["hints"]["lookahead"][0][1] = 1e300
    return insight
