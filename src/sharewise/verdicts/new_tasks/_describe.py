"""What serves a new task, and numbers of labels, for people."""

from __future__ import annotations

from collections.abc import Sequence

from sharewise.verdicts._describe import FAMILY_WORDS
from sharewise.verdicts._phrases import listed


def describe_new(strategy: str, family: str, configuration: str = "") -> str:
    """``meta-learning on the other tasks (networks: prototypes)``."""
    words = {
        "constant": "a constant",
        "neighbours": "its nearest labelled neighbours",
        "separate": "a model of its own from scratch",
        "joint": "the other tasks' joint model as it is",
        "meta-learned": "meta-learning on the other tasks",
        "transfer": "training on the other tasks and fine-tuning",
        "pretrained": "self-supervised pretraining and adapting",
    }.get(strategy, strategy)
    inside = FAMILY_WORDS.get(family, family if family != "none" else "")
    learner = configuration.partition("(")[0].strip()
    if learner in (strategy, family, inside, "none"):
        learner = ""
    both = ": ".join(part for part in (inside, learner) if part)
    return f"{words} ({both})" if both else words


def line_name(line: tuple[str, str]) -> str:
    """``transfer/network``, ``constant``."""
    return line[0] if line[1] in ("none", "") else f"{line[0]}/{line[1]}"


def labels_words(labels: float, ways: int | None) -> str:
    """``1 label``, ``5 labels of each class``."""
    amount = f"{labels:,.0f}"
    noun = "label" if amount == "1" else "labels"
    return f"{amount} {noun}" if ways is None else f"{amount} {noun} of each class"


def shots_listed(shots: Sequence[int]) -> str:
    """``1, 2 and 5``."""
    return listed([f"{k:,}" for k in shots], most=len(shots))
