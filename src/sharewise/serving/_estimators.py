"""The scikit-learn estimators that a model file may hold: what reads a column of text, and nothing else.

An estimator is its attributes. They may be no methods, nothing in them may be called, and the options that decide what
is read (a file that a cell names, a pattern that takes for ever) are those that sharewise sets.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sharewise.errors import StorageError
from sharewise.serving._state_form import damaged

ESTIMATORS = {
    "sklearn.decomposition": "TruncatedSVD",
    "sklearn.feature_extraction.text": "TfidfTransformer TfidfVectorizer",
    "sklearn.pipeline": "Pipeline",
    "sklearn.preprocessing": "Normalizer StandardScaler",
}
"""Classes by the module they are imported from."""
SKIPPED = ("_stop_words_id",)
"""Attributes that mean something in one process only."""
FIXED: dict[str, dict[str, Any]] = {
    "TfidfVectorizer": {
        "input": "content", "analyzer": "char_wb", "preprocessor": None, "tokenizer": None, "stop_words": None,
    },
    "Pipeline": {"memory": None},
}  # fmt: skip
"""Options that have one value in every model."""
LONGEST_GRAM = 16


def estimator_class(name: str) -> type | None:
    """The class of that name, imported from the module written here; None for any other."""
    for module, names in ESTIMATORS.items():
        if name in names.split():
            found: type = getattr(import_module(module), name)
            return found
    return None


def check_estimator(kind: type, state: dict[str, Any], path: str) -> None:
    """Refuse attributes that hide a method, and options that models do not have.

    Raises:
        StorageError: There are such.
    """
    name = kind.__name__
    for key in state:
        if not key.isidentifier() or key.startswith("__") or hasattr(kind, key):
            damaged(path, f"a {name} cannot take an attribute '{key[:40]}'")
    for key, value in FIXED.get(name, {}).items():
        found = state.get(key, value)
        if type(found) is not type(value) or found != value:
            raise StorageError(
                f"a saved {name} has {key}={value!r}; got {str(found)[:40]!r} at {path}. Save it again or restore a copy."
            )
    if name == "TfidfVectorizer":
        grams = state.get("ngram_range")
        if (
            type(grams) is not tuple
            or len(grams) != 2
            or not all(type(n) is int and 0 < n <= LONGEST_GRAM for n in grams)
        ):
            damaged(path, f"a vectorizer takes grams of 1 to {LONGEST_GRAM} letters, not {str(grams)[:40]}")
