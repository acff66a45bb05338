"""A column of strings: grams for linear models; ids, and features of ids, for networks.

Fit a `Vocabulary` on training texts, turn any texts into rows of ids, and hand padded batches of them to an encoder,
a module from ids ``(B, L)`` to features ``(B, D)``. Padding never changes what an encoder says of a text:

>>> import torch
>>> from sharewise.modalities.text import TextCNN, Vocabulary
>>> vocabulary = Vocabulary.fit(["free prize, call now", "see you at home", "call me at home"])
>>> tokens = vocabulary.encode(["call home now", None, "unseen 🎉"])
>>> ids = torch.from_numpy(tokens.padded())
>>> encoder = TextCNN(vocabulary.size, width=8, channels=4)
>>> encoder(ids).shape, encoder.out_features
(torch.Size([3, 12]), 12)

`BagOfTokens` is the fast baseline, `TextCNN` and `SmallTransformer` read the order of words; all three start from
nothing. `HuggingFace` is a pretrained encoder by name or folder, with the tokens that belong to it (`HubTokens`):
frozen, fine-tuned, or with low-rank updates; ``"minilm"`` is the one that the extra ``text`` brings and that needs no
network. `Cached` computes a frozen encoder's features once a text. `batches` goes through texts of like length together.

`Grams` is what a linear model reads: TF-IDF of words and of runs of letters, a sparse matrix;
`LatentText` makes few dense columns of it.

An encoder is usable wherever a module is, such as in ``Problem.from_datasets`` on padded ids; a `Vocabulary` and
`HubTokens` are plain data, to be stored beside its weights. PyTorch is imported with the first encoder,
``transformers`` with the first pretrained one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sharewise.modalities.text._grams import Grams
from sharewise.modalities.text._hub_tokens import HubTokens
from sharewise.modalities.text._latent import LatentText
from sharewise.modalities.text._token_rows import TokenRows
from sharewise.modalities.text._vocabulary import Vocabulary

if TYPE_CHECKING:
    from sharewise.modalities.text._bag import BagOfTokens
    from sharewise.modalities.text._base import TextEncoder
    from sharewise.modalities.text._batches import LengthBatches, batches, features
    from sharewise.modalities.text._cached import Cached
    from sharewise.modalities.text._cnn import TextCNN
    from sharewise.modalities.text._hugging_face import HuggingFace
    from sharewise.modalities.text._low_rank import LowRankLinear
    from sharewise.modalities.text._transformer import SmallTransformer

__all__ = [
    "TEXT_STATE",
    "BagOfTokens",
    "Cached",
    "Grams",
    "HubTokens",
    "HuggingFace",
    "LatentText",
    "LengthBatches",
    "LowRankLinear",
    "SmallTransformer",
    "TextCNN",
    "TextEncoder",
    "TokenRows",
    "Vocabulary",
    "batches",
    "features",
]

TEXT_STATE = (Grams, HubTokens, LatentText, Vocabulary)
"""The classes that fitted texts are made of, for whoever stores them."""

_HOMES = {
    "BagOfTokens": "_bag",
    "Cached": "_cached",
    "HuggingFace": "_hugging_face",
    "LengthBatches": "_batches",
    "LowRankLinear": "_low_rank",
    "SmallTransformer": "_transformer",
    "TextCNN": "_cnn",
    "TextEncoder": "_base",
    "batches": "_batches",
    "features": "_batches",
}
"""What needs PyTorch, which whoever only loads a vocabulary does without."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
