"""Whether a file says what its model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.problems import Target
from sharewise.tasks import Array, Classification

TOLERANCE = 1e-5
"""Largest difference of a value, as a share of it or (where that is larger) of the output's spread."""
PROBABILITIES = " (probabilities)"


def open_session(content: bytes) -> Any:
    """A session on one thread.

    Raises:
        OptionError: ONNX Runtime cannot read the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own exceptions have no common base
        raise OptionError(
            f"an ONNX file must load where it is to run; the installed ONNX Runtime {onnxruntime.__version__} says: "
            f"{str(error)[:200]}. Upgrade onnxruntime, or use model.save."
        ) from error


def compare(
    session: Any, fed: dict[str, NDArray[Any]], targets: Sequence[Target], own: Sequence[Array]
) -> dict[str, float]:
    """Each target's largest difference on some rows.

    Args:
        fed: The rows.
        own: What the model predicts for them, ``(n, W)`` a target.
    """
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, fed), strict=True))
    return {
        target.name: _difference(target, found, values) for target, values in zip(targets, own, strict=True)
    }


def refuse_different(differences: dict[str, float]) -> None:
    """Refuse a file that is not the model.

    Raises:
        OptionError: A target differs by more than `TOLERANCE`.
    """
    worst = max(differences, key=lambda name: differences[name])
    if not differences[worst] <= TOLERANCE:
        raise OptionError(
            f"an ONNX file must predict what its model does, to {TOLERANCE:g}; '{worst}' differs by "
            f"{differences[worst]:.1e}, so none is written. Use model.save and sw.load."
        )


def _difference(target: Target, found: dict[str, NDArray[Any]], own: Array) -> float:
    """Of values, or of probabilities; infinite where a gap or a class is another."""
    kind = target.kind
    if not isinstance(kind, Classification):
        return relative(found[target.name][:, None], own)
    shares = found[target.name + PROBABILITIES]
    # Where a little more of any class would change the choice, either may be named.
    nudges = TOLERANCE * np.eye(kind.width)
    clear = np.all([kind.chosen(own + nudge) == kind.chosen(own) for nudge in (*nudges, *-nudges)], axis=0)
    if (found[target.name][clear] != kind.decode(own)[clear]).any():
        return float("inf")
    return relative(shares, own)


def relative(found: Array, own: Array) -> float:
    """The largest difference of ``(n, W)`` as a share of the value or of its column's spread."""
    if (np.isnan(found) != np.isnan(own)).any():
        return float("inf")
    known = ~np.isnan(own)
    if not known.any():
        return 0.0
    spread = np.nanstd(np.where(known.any(axis=0), own, 0.0), axis=0)
    scale = np.maximum(np.maximum(np.abs(own), spread), np.finfo(np.float64).tiny)
    return float(np.max(np.abs(found - own)[known] / scale[known]))
