"""Tagged sentences as a table with a row a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sharewise.problems import Sentences

if TYPE_CHECKING:
    import pandas as pd


def by_word(sentences: Sentences, found: pd.DataFrame) -> pd.DataFrame:
    """A row a word: its sentence counted from 1, the word, and its tag of every task.

    Args:
        found: A row a sentence with all its tags in a cell, as a model predicts them; None where it says nothing.
    """
    import pandas as pd

    columns: dict[str, list[Any]] = {
        "sentence": [place for place, words in enumerate(sentences.words, start=1) for _ in words],
        "word": [word for words in sentences.words for word in words],
    }
    for name in found.columns:
        columns[str(name)] = [
            tag
            for words, tags in zip(sentences.words, found[name], strict=True)
            for tag in (tags if isinstance(tags, tuple) else (None,) * len(words))
        ]
    return pd.DataFrame(columns)
