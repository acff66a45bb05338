"""Fitted state as plain JSON, arrays and texts, and back: nothing is pickled, imported by name or run.

What JSON can say itself (None, bool, int, finite float, str, list, dict with str keys) stands for itself;
everything else is a JSON object with a tag under ``"$"``:

| tag | stands for |
| --- | --- |
| ``float`` | nan, inf, -inf |
| ``text`` | a long string, kept in ``texts`` |
| ``tuple``, ``slice``, ``dict`` | what they say; a dict with other keys as a list of items |
| ``scalar``, ``scalars`` | a NumPy scalar; a dict of NumPy scalars of one type |
| ``array`` | a bool or numeric array, kept in ``arrays`` |
| ``objects``, ``strings`` | an object array, a string array |
| ``dtype``, ``type`` | a NumPy dtype, a scalar type (an option of scikit-learn's) |
| ``data`` | a dataclass from the caller's mapping of known classes |
| ``estimator`` | a scikit-learn estimator from `ESTIMATORS`: its attributes |
| ``same`` | the n-th array, dataclass or estimator (counted as they end), met again |

`Encoder` writes it, `Decoder` reads it; `sharewise.serving._state_form` names what may occur.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sharewise.serving._state_form import MAX_DEPTH, Json, Known
from sharewise.serving._state_read import Decoder
from sharewise.serving._state_write import Encoder

__all__ = ["MAX_DEPTH", "Json", "Known", "decode", "encode"]


def encode(obj: object, known: Known) -> tuple[Json, dict[str, NDArray[Any]], dict[str, str]]:
    """A JSON-plain tree of ``obj``, the arrays it names, and the long texts it names.

    Random states are dropped (None). Arrays are not copied unless they are neither C- nor F-contiguous.

    Args:
        obj: Fitted state made of what the module's table lists.
        known: Dataclasses that may occur, by the name they get in the tree. Fields with ``init=False``
            are not saved.

    Raises:
        StorageError: Something else occurs; the message says what and where.
    """
    encoder = Encoder(known)
    tree = encoder.node(obj, "model", 0)
    return tree, encoder.arrays, encoder.texts


def decode(tree: Json, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str], known: Known) -> Any:
    """What `encode` was given, from what it returned.

    Dataclasses are built by their constructor, so their own checks run; fields that an older version did not save
    get their defaults. Estimators get their attributes without a constructor, and options their version of
    scikit-learn does not know yet keep its defaults.

    Raises:
        StorageError: An unknown tag or class, wrong fields, a missing array, a value of another type.
    """
    return Decoder(arrays, texts, known).node(tree, "model", 0)
