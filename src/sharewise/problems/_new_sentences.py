"""New sentences, in whatever form they come, as a column of tuples of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._hub_dataset import is_hub_dataset, sentences_of
from sharewise.problems._names import listed
from sharewise.problems._sentences import Sentences
from sharewise.problems._table import Column
from sharewise.tasks import cells


def read_sentences(given: object, name: str = "sentence") -> NDArray[np.object_]:
    """The words of every sentence ``(N,)``, tuples, none of them empty.

    Args:
        given: `Sentences`; a list of lists of words; a dataset of Hugging Face; or a pandas, polars or pyarrow table whose
            column ``name`` holds lists of words.
        name: Of the column.

    Raises:
        DataError: There is no sentence, or one is empty or no list of words; the message says which.
    """
    given = sentences_of(given) if is_hub_dataset(given) else given
    if isinstance(given, Sentences):
        return as_column(name, given.words).values
    rows = _rows(given, name)
    if not rows:
        raise DataError("sentences to predict must be there; got none. Check how they were read or filtered.")
    return as_column(name, [_words(row, place) for place, row in enumerate(rows)]).values


def as_column(name: str, words: Sequence[tuple[str, ...]]) -> Column:
    """Sentences as a feature."""
    return Column(name, "sentence", cells(words))


def _rows(given: object, name: str) -> list[object]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise DataError(
            f"sentences are lists of words; got {type(given).__name__}. Pass a list of them: [['He', 'ran']]."
        )
    if isinstance(given, (list, tuple, np.ndarray)):
        return list(given)
    frame: Any = nw.from_native(cast("Any", given), eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return list(given)
    if name not in frame.columns:
        raise DataError(
            f"a table of sentences has them in the column '{name}'; it has {listed(frame.columns)}. Rename it."
        )
    return list(frame[name].to_list())


def _words(row: object, place: int) -> tuple[str, ...]:
    if isinstance(row, str) or not isinstance(row, Iterable):
        raise DataError(
            f"a sentence is a list of words; sentence {place} is {str(row)[:40]!r}. Split it first, as its training "
            "sentences were."
        )
    words = tuple(row)
    wrong = [word for word in words if not isinstance(word, str) or not word]
    if not words or wrong:
        what = f"{wrong[0]!r}" if wrong else "nothing"
        raise DataError(
            f"a sentence holds one or more words, none empty; sentence {place} holds {what}. Mend it or leave it out."
        )
    return tuple(str(word) for word in words)
