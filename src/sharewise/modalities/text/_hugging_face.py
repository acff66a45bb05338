"""A pretrained encoder: by name, from a folder, or the packaged one that needs no network."""

from __future__ import annotations

import contextlib
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.modalities.text._base import TextEncoder, masked_mean
from sharewise.modalities.text._hub import load
from sharewise.modalities.text._low_rank import add_low_rank

Tuning = Literal["frozen", "full", "low-rank"]


@final
class HuggingFace(TextEncoder):
    """Final. A transformer of the ``transformers`` library, its last layer averaged over the tokens (Reimers &
    Gurevych, *Sentence-BERT*, EMNLP 2019, https://arxiv.org/abs/1908.10084, section 3: the mean serves best).

    Marks of beginning and end count as tokens, as in the models trained this way. Of a model with a decoder the
    encoder is taken. Loading needs the extra ``text``; a loaded one is a module like any other.

    Args:
        model: A model that takes ``input_ids`` and ``attention_mask``.
        tuning: ``frozen``: no gradients, no dropout. ``full``: everything learns. ``low-rank``: only small products
            beside the linear layers learn (`LowRankLinear`).
        rank, alpha: Of low-rank updates, whose scale is ``alpha / rank``.
        padding: The id that says nothing, `HubTokens.padding`; default: as the model's config says.

    Raises:
        OptionError: ``tuning``, ``rank`` or ``alpha`` is off, or the model does not say how wide it is.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        tuning: Tuning = "frozen",
        rank: int = 8,
        alpha: float = 16.0,
        padding: int | None = None,
    ) -> None:
        if tuning not in get_args(Tuning):
            raise OptionError(
                f"tuning is one of {', '.join(get_args(Tuning))}; got {tuning!r}. Choose one of them."
            )
        config = getattr(model, "config", None)
        width, size = getattr(config, "hidden_size", None), getattr(config, "vocab_size", None)
        if not isinstance(width, int) or not isinstance(size, int):
            raise OptionError(
                "a pretrained text encoder says hidden_size and vocab_size in its config; "
                f"{type(model).__name__} does not. Choose a model for text."
            )
        if padding is None:
            named = (getattr(config, "pad_token_id", None), getattr(config, "eos_token_id", None), 0)
            padding = next(found for found in named if isinstance(found, int))
        super().__init__(size, width, padding=padding)
        if tuning == "low-rank":
            add_low_rank(model, rank, alpha)
        else:
            model.requires_grad_(tuning == "full")
        self.tuning = tuning
        self.model = model

    @classmethod
    def load(
        cls,
        name: str = "minilm",
        *,
        tuning: Tuning = "frozen",
        rank: int = 8,
        alpha: float = 16.0,
        padding: int | None = None,
        download: bool = False,
    ) -> HuggingFace:
        """The encoder of a name, a folder, or ``"minilm"``: all-MiniLM-L6-v2 as a package ships it, 384 features.

        Only weights as safetensors are read, and no code of the model's own is run.

        Args:
            name, tuning, rank, alpha, padding: As above.
            download: Whether a name that is not here may be fetched from the hub (offline that takes some 20 seconds
                to fail). Nothing is ever fetched unasked.

        Raises:
            OptionError: The extra is missing, or there is no such model here.
        """
        model = load("AutoModel", name, download=download, use_safetensors=True)
        if getattr(model.config, "is_encoder_decoder", False):
            model = model.get_encoder()
        return cls(model, tuning=tuning, rank=rank, alpha=alpha, padding=padding)

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        frozen = self.tuning == "frozen"
        if frozen:
            self.model.eval()  # also where whoever trains the heads has called train() on everything
        with torch.no_grad() if frozen else contextlib.nullcontext():
            hidden: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            return masked_mean(hidden, mask)
