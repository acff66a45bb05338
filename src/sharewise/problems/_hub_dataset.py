"""Datasets of the Hugging Face library ``datasets``, by their Arrow table and what they say of their columns.

The library is not imported: who brings such an object has it. Classes are read as their names, a class of -1 (which the
Hub uses for labels that are kept secret) as a gap; pictures are handed on as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from sharewise.errors import DataError
from sharewise.problems._sentences import Sentences
from sharewise.problems.pictures._sources import Encoded, Source

KINDS: Final = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
LISTS: Final = ("List", "LargeList", "Sequence")
WORDS: Final = ("tokens", "words")
"""Usual names of a column of words."""
TEXTS: Final = ("document", "document_id", "doc_id")
"""Usual names of the text that a sentence stands in."""


@dataclass(frozen=True)
class Held:
    """A column that is no plain cells.

    Attributes:
        read: The cells as Python objects.
        refusal: What to say where plain cells are asked for.
        pictures: Whether they are sources of pictures.
    """

    read: Callable[[], list[Any]]
    refusal: str
    pictures: bool = False


def is_hub_dataset(data: object) -> bool:
    """Whether it is one of the library's objects."""
    return _kind(data) is not None


def columns_of(data: Any) -> dict[str, Any]:
    """By name a pyarrow column, or what is `Held`.

    Raises:
        DataError: It is a dictionary of splits or a stream, or it is empty.
    """
    table = _table(data)
    return {str(name): _column(str(name), table.column(name), data.features[name]) for name in data.features}


def sentences_of(data: Any, names: Sequence[str] | None = None) -> Sentences:
    """Sentences of words with their tags.

    Words are the column of that name (`WORDS`) or the one column of lists of strings. Tags are all columns of lists of
    classes, and where there are none of lists of strings.

    Args:
        names: Columns of tags; None for all.

    Raises:
        DataError: It has no column of words, or several that may be it; or it is a dictionary of splits or a stream.
    """
    table, features = _table(data), data.features
    words = _words_column(features, names)
    classes = [name for name in features if _list_of(features[name]) == "ClassLabel"]
    texts = [name for name in features if _list_of(features[name]) == "string" and name != words]
    asked = [name for name in names if name in features] if names else classes or texts
    tags = {str(name): _tags(table.column(name), features[name]) for name in asked}
    rows = [tuple(row or ()) for row in table.column(words).to_pylist()]
    told = next((table.column(name).to_pylist() for name in TEXTS if name in features), [None] * len(rows))
    documents = tuple(None if one is None else str(one) for one in told)
    return Sentences(tuple(rows), tags, documents=documents)


def _kind(data: object) -> str | None:
    for kind in type(data).__mro__:
        if kind.__module__.partition(".")[0] == "datasets" and kind.__name__ in KINDS:
            return kind.__name__
    return None


def _table(data: Any) -> Any:
    """The rows as one pyarrow table: those that were selected, in their order, whatever format was set."""
    kind = _kind(data)
    if kind in ("DatasetDict", "IterableDatasetDict"):
        _refuse_splits(data)
    if kind == "IterableDataset":
        raise DataError(
            "a study reads its rows many times, so they must be there; got a stream of them (IterableDataset). Load it "
            "without streaming=True, or keep some: datasets.Dataset.from_list(list(stream.take(10_000)), "
            "features=stream.features)."
        )
    if len(data) == 0:
        raise DataError("a dataset must hold rows; this one has none. Check how it was filtered.")
    return data.with_format("arrow")[:]


def _refuse_splits(data: Mapping[Any, Any]) -> NoReturn:
    names = [str(name) for name in data]
    first = names[0] if names else "train"
    raise DataError(
        "a problem takes one table and makes its own folds, as a study compares on rows that no choice has seen; got "
        f"{len(names)} splits ({', '.join(names[:4])}). Pass one, as in dataset['{first}'], and keep the test split for "
        "the model in the end; datasets.concatenate_datasets joins several."
    )


def _column(name: str, column: Any, feature: Any) -> Any:
    kind = type(feature).__name__
    if kind == "Value":
        return column
    if kind == "ClassLabel":
        return _named(column, feature.names)
    if kind == "Image":
        refusal = f"column '{name}' holds pictures, not cells. Leave it out with drop= or --drop."
        return Held(lambda: _pictures(name, column), refusal, pictures=True)
    if _list_of(feature) == "ClassLabel":
        return Held(
            lambda: [None if row is None else list(row) for row in _tags(column, feature)],
            f"a cell must hold one number, word or date; column '{name}' holds lists of classes. Tags of words go to "
            f"Problem.from_sentences(dataset), several labels a row to kinds={{'{name}': 'multilabel'}}; or leave it out "
            "with drop= or --drop.",
        )
    what = f"lists of {_list_of(feature)}" if kind in LISTS else f"{kind} features"
    return Held(
        column.to_pylist,
        f"a cell must hold one number, word or date; column '{name}' holds {what}. Spread it over several columns, or "
        "leave it out with drop= or --drop.",
    )


def _named(codes: Any, names: Sequence[str]) -> Any:
    """Places of classes as a column of categories; None and -1 as gaps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes
    known = pc.if_else(pc.greater_equal(codes, 0), codes, pa.scalar(None, codes.type))
    return pa.chunked_array([pa.DictionaryArray.from_arrays(known.cast(pa.int32()), pa.array(list(names)))])


def _tags(column: Any, feature: Any) -> tuple[tuple[str, ...] | None, ...]:
    """A list of names a row; None for a row that says nothing, or not of every word."""
    names = getattr(_inner(feature), "names", None)
    found: list[tuple[str, ...] | None] = []
    for row in column.to_pylist():
        if row is None or any(one is None or (names is not None and one < 0) for one in row):
            found.append(None)
        else:
            found.append(tuple(str(one) if names is None else names[one] for one in row))
    return tuple(found)


def _pictures(name: str, column: Any) -> list[Source]:
    """Bytes as they are stored, or the file that is named."""
    found: list[Source] = []
    for row, cell in enumerate(column.to_pylist()):
        if cell is None or (cell["bytes"] is None and not cell["path"]):
            found.append(None)
        elif cell["bytes"] is None:
            found.append(Path(cell["path"]))
        else:
            found.append(
                Encoded(
                    cell["bytes"], f"'{name}' of row {row}" + (f" ({cell['path']})" if cell["path"] else "")
                )
            )
    return found


def _inner(feature: Any) -> Any:
    """What a list holds; older versions write it as a list of one."""
    if isinstance(feature, list):
        return feature[0]
    return getattr(feature, "feature", None) if type(feature).__name__ in LISTS else None


def _list_of(feature: Any) -> str | None:
    """What a list holds: ``ClassLabel``, or the type of its values; None where it is no list of them."""
    inner = _inner(feature)
    if type(inner).__name__ == "Value":
        return "string" if inner.dtype in ("string", "large_string") else str(inner.dtype)
    return None if inner is None else type(inner).__name__


def _words_column(features: Mapping[str, Any], names: Sequence[str] | None) -> str:
    lists = [name for name in features if _list_of(features[name]) == "string" and name not in (names or ())]
    usual = [name for name in WORDS if name in lists]
    if usual or len(lists) == 1:
        return (usual or lists)[0]
    found = f"several lists of strings ({', '.join(lists)})" if lists else "none"
    raise DataError(
        f"sentences have one column of words, a list of strings a row, called tokens or words; got {found}. Rename it with "
        "dataset.rename_column, or pass Sentences.of(words, pos=tags)."
    )
