"""The tokens of a pretrained encoder, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from sharewise.errors import DataError, OptionError
from sharewise.modalities.text._hub import load, tokenizers
from sharewise.modalities.text._texts import CHARACTERS_A_TOKEN, check_texts, cut_notes, reading_notes
from sharewise.modalities.text._token_rows import TokenRows

AT_ONCE = 1_000
"""Texts that are tokenised together."""


@final
@dataclass(frozen=True)
class HubTokens:
    """The pieces that a pretrained encoder was trained with; nothing here is fitted.

    Attributes:
        spec: The whole tokeniser as JSON, of the ``tokenizers`` library (extra ``text``, needed to encode only).
        padding: The id that says nothing.
        length: The most tokens of a text, marks of beginning and end among them.
    """

    spec: str
    padding: int
    length: int = 128
    _held: list[Any] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        if type(self.length) is not int or self.length < 4:
            raise OptionError(
                f"a text is read to at least 4 tokens, marks of both ends among them; got {self.length!r}. Raise it."
            )

    @classmethod
    def load(cls, name: str, *, length: int = 128, download: bool = False) -> HubTokens:
        """Those of a model by name or folder; ``length`` is at most what the model takes.

        Raises:
            OptionError: There is no such model, or its tokeniser is not a fast one.
        """
        found = load("AutoTokenizer", name, download=download)
        backend = getattr(found, "backend_tokenizer", None)
        if backend is None:
            raise OptionError(
                f"the tokeniser of '{name}' must be a fast one (tokenizer.json); it is a {type(found).__name__}. "
                "Convert it with transformers, or choose another model."
            )
        # Models that were never padded: the mark of the end stands for nothing after the end.
        padding = found.pad_token_id if found.pad_token_id is not None else found.eos_token_id
        if padding is None:
            raise OptionError(
                f"the tokeniser of '{name}' must have a padding token; it has none. Add one and save it in a folder."
            )
        spec: dict[str, Any] = json.loads(backend.to_str())
        spec["truncation"] = spec["padding"] = None
        return cls(json.dumps(spec), int(padding), int(min(length, found.model_max_length)))

    def encode(self, texts: Iterable[str | None]) -> TokenRows:
        """Any texts as ids, each at most ``length``; longer texts are cut, with a note.

        Raises:
            DataError: A cell is no text, or was read in the wrong encoding.
            OptionError: The extra is missing.
        """
        column = check_texts(texts)
        tokeniser = self._tokeniser()
        bound = CHARACTERS_A_TOKEN * self.length
        parts: list[np.ndarray[Any, Any]] = [np.zeros(0, dtype=np.int32)]
        sizes: list[int] = [0]
        cut = 0
        for start in range(0, len(column), AT_ONCE):
            some = [text[:bound] for text in column[start : start + AT_ONCE]]
            for text, found in zip(column[start:], tokeniser.encode_batch(some), strict=False):
                ids = found.ids or [self.padding]
                parts.append(np.array(ids, dtype=np.int32))
                sizes.append(len(ids))
                cut += bool(found.overflowing) or len(text) > bound
        notes = (*cut_notes(cut, len(column), self.length), *reading_notes(column))
        return TokenRows(np.concatenate(parts), np.cumsum(sizes, dtype=np.int64), self.padding, notes)

    def _tokeniser(self) -> Any:
        """Made when first used, then kept."""
        if not self._held:
            library = tokenizers()
            try:
                made = library.Tokenizer.from_str(self.spec)
            except Exception as error:  # the library raises nothing narrower
                raise DataError(
                    f"a stored tokeniser must be whole; this one is not: {str(error)[:120]}. Load the model again."
                ) from error
            made.enable_truncation(max_length=self.length)
            self._held.append(made)
        return self._held[0]

    def __getstate__(self) -> dict[str, Any]:
        return {"spec": self.spec, "padding": self.padding, "length": self.length, "_held": []}
