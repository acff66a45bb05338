"""ONNX files of models of tables, texts, pictures and tensors: raw rows in, every task's predictions out.

The file takes a column an input, as it stands in the table: numbers as doubles (a gap is NaN), words and texts as strings
(a gap is the empty string); pictures as decoded bytes, and what a user's own encoder reads as it comes. Medians, scales,
category lists, bins, n-grams, vocabularies and frozen features are in the graph. Numbers stay in double precision, since
trees split at float64 thresholds; networks compute in float32, as they do here. Taggers of sentences, boxes in pictures
and models for new tasks have no form in ONNX yet.

    export_onnx(model, "model.onnx")

Before it is written the file is run beside the model, on rows with gaps, unseen values and numbers that lie just on the
trees' thresholds; one that differs is refused.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from sharewise.errors import OptionError
from sharewise.serving.onnx._report import Report

if TYPE_CHECKING:
    from sharewise.serving._deployed import DeployedModel

__all__ = ["Report", "export_onnx"]

NEEDED = ("onnx", "onnxruntime")


def export_onnx(model: DeployedModel, path: str | Path, rows: object = None) -> Report:
    """Write a model as one ONNX file, checked against the model before anything is written.

    Inputs are named as the columns (the task column of a long problem too) and have shape ``(n, 1)``: double for
    numbers, for True and False (1 and 0) and for dates (days since 1970-01-01), string for words; of tensors and pictures
    ``(n, *shape)``. Outputs are named as the targets, ``(n,)``; a target of classes has ``<target> (probabilities)``
    ``(n, K)`` beside it, masks are ``(n, H, W)`` and their probabilities ``(n, K, H, W)``. A task that the
    model was not made for is an error at run time, as it is here.

    Args:
        model: Any `sharewise.serving.DeployedModel`.
        path: The file, replaced if it is there.
        rows: Held-out rows that it is checked on besides the drawn ones; targets need not be there.

    Raises:
        OptionError: The extra is not installed, the model has a part that ONNX files cannot hold, or the file
            differs from the model by more than `sharewise.serving.onnx._check.TOLERANCE`.
        DataError: ``rows`` are not such as the model reads.
        StorageError: The file cannot be written.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OptionError(
            f"ONNX files are made with the extra 'onnx'; {missing[0]} is not installed. "
            'Install it with: pip install "sharewise[onnx]".'
        )
    from sharewise.serving.onnx._export import export

    return export(model, Path(path), rows)
