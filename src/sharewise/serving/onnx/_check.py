"""Whether a file says what its model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.problems import Target
from sharewise.serving._program_differences import TOLERANCE, difference, relative
from sharewise.tasks import Array, Classification, MaskRows

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


def _difference(target: Target, found: dict[str, NDArray[Any]], own: Array) -> float:
    """Of values, or of probabilities; infinite where a gap or a class is another."""
    kind = target.kind
    if isinstance(kind, MaskRows):
        return _of_masks(target, found, own)
    if not isinstance(kind, Classification):
        return relative(found[target.name][:, None], own)
    shares = found[target.name + PROBABILITIES]
    # Where a little more of any class would change the choice, either may be named.
    nudges = TOLERANCE * np.eye(kind.width)
    clear = np.all([kind.chosen(own + nudge) == kind.chosen(own) for nudge in (*nudges, *-nudges)], axis=0)
    if (found[target.name][clear] != kind.decode(own)[clear]).any():
        return float("inf")
    return relative(shares, own)


def _of_masks(target: Target, found: dict[str, NDArray[Any]], own: NDArray[Any]) -> float:
    """Of masks ``(n, H, W)`` and probabilities ``(n, K, H, W)``; pixels that are nearly a tie may be of either class."""
    codes, shares = found[target.name], np.stack(list(own[:, 0]))
    second, first = np.moveaxis(np.sort(shares, axis=1)[:, -2:], 1, 0)
    if codes.shape != first.shape or (codes != shares.argmax(axis=1))[first - second > 2 * TOLERANCE].any():
        return float("inf")
    return difference(target.kind, found[target.name + PROBABILITIES], own)
