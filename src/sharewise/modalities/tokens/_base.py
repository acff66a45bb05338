"""What every way from sentences to vectors is: inputs that make a batch, and an encoder that reads it.

Symbols: ``B`` sentences of a batch, ``L`` places (words of the longest), ``D`` width of a word's vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from sharewise.errors import DataError

Words = Sequence[str]


class Batch(Protocol):
    """Tensors of a batch.

    Attributes:
        mask: ``(B, L)`` booleans, true where a word stands; a sentence's words come first.
    """

    @property
    def mask(self) -> Tensor: ...


class TokenInputs(ABC):
    """Abstract: sentences to a batch of tensors, everything learnt from training sentences before."""

    def batch(self, sentences: Sequence[Words]) -> Any:
        """The tensors of these sentences, a `Batch`.

        Raises:
            DataError: There is no sentence, or one without words.
        """
        if not sentences or not all(len(words) for words in sentences):
            what = "an empty one" if sentences else "none"
            raise DataError(f"a batch holds sentences of one or more words; got {what}. Leave it out.")
        return self._batch(sentences)

    @abstractmethod
    def _batch(self, sentences: Sequence[Words]) -> Any:
        """The batch; sentences are there and hold words."""


class TokenEncoder(nn.Module, ABC):
    """Abstract: a batch to one vector a word ``(B, L, D)``, zero where no word stands.

    A sentence's vectors do not depend on the other sentences of its batch, in evaluation mode.

    Attributes:
        out_features: ``D``.
    """

    out_features: int

    def forward(self, batch: Any) -> Tensor:
        """Vectors ``(B, L, D)``."""
        vectors: Tensor = self._encode(batch) * batch.mask.unsqueeze(-1)
        return vectors

    @abstractmethod
    def _encode(self, batch: Any) -> Tensor:
        """Vectors; what stands beyond a sentence's end does not matter."""
