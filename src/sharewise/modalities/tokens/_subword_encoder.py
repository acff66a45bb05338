"""Words in their sentence by a pretrained transformer: of a word's sub-words the first one's vector."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.modalities.text._low_rank import add_low_rank
from sharewise.modalities.tokens._base import TokenEncoder
from sharewise.modalities.tokens._subword_inputs import SHAPES, SubwordBatch
from sharewise.modalities.tokens._vocabulary import PADDING

Tune = Literal["frozen", "full", "low_rank"]
"""What of a pretrained model learns: nothing, everything, or low-rank adapters beside its weights."""


WINDOWS = 64
"""Windows that the model reads at once, so that a text of any length needs bounded memory without gradients."""


class SubwordEncoder(TokenEncoder):
    """Final. Any encoder of ``transformers`` that gives ``last_hidden_state``; or a module called the same way.

    Frozen, it stays in evaluation mode whatever its owner does, and no gradient is kept.

    Args:
        model: The pretrained model, changed in place where adapters are asked for.
        rank: Of adapters.
        shapes: Width of a learnt vector of the word's shape (capitals, digits) beside the model's own; 0 for none.
        dropout: Of all the model's layers in the place of its own. Without any, CPUs compute attention faster.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        tune: Tune = "full",
        rank: int = 8,
        shapes: int = 0,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        if tune not in get_args(Tune):
            raise OptionError(f"tune is one of {', '.join(get_args(Tune))}; got '{tune}'. Correct it.")
        self.model = model
        self.tune = tune
        config: Any = model.config
        self.out_features = int(config.hidden_size) + shapes
        self.shapes = nn.Embedding(SHAPES, shapes, padding_idx=PADDING) if shapes else None
        if dropout is not None:
            for layer in model.modules():
                if isinstance(layer, nn.Dropout):
                    layer.p = dropout
        if tune == "low_rank":
            add_low_rank(model, rank)
        elif tune == "frozen":
            model.requires_grad_(False)
            model.eval()

    def train(self, mode: bool = True) -> SubwordEncoder:
        """As ``nn.Module.train``; a frozen model stays in evaluation mode."""
        super().train(mode)
        if self.tune == "frozen":
            self.model.eval()
        return self

    def _encode(self, batch: SubwordBatch) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tune != "frozen"):
            parts = zip(
                torch.split(batch.pieces, WINDOWS), torch.split(batch.attention, WINDOWS), strict=True
            )
            hidden = torch.cat(
                [self.model(input_ids=ids, attention_mask=there).last_hidden_state for ids, there in parts]
            )
        first: Tensor = hidden[batch.window, batch.place]
        return (
            first
            if self.shapes is None
            else torch.cat([first, self.shapes(batch.shape).to(first.dtype)], dim=-1)
        )
