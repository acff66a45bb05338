"""Masked language modelling: which token stood where one is hidden."""

from __future__ import annotations

from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import DataError, OptionError
from sharewise.meta._corrupted import check_share
from sharewise.meta._objective import Objective, uniform


@final
class MaskedTokens(Objective):
    """BERT's masked tokens (Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3.1).

    Of the tokens that are no padding a share is chosen; of these 80% become the mask, 10% another token at random, and
    10% stay; a linear head says at the chosen places which token it was. The encoder gives features for each token:
    (N, L) ids to (N, L, D).

    Args:
        tokens: V, ids 0 … V−1, those of padding and mask included.
        width: D.
        mask: Id of the mask.
        padding: Id of padding, never chosen.
        share: Of tokens that are chosen; a batch has at least one.
    """

    name: ClassVar[str] = "masked tokens"
    axes: ClassVar[int] = 2

    def __init__(self, tokens: int, width: int, *, mask: int, padding: int = 0, share: float = 0.15) -> None:
        super().__init__()
        check_share(share)
        if not (0 <= mask < tokens and 0 <= padding < tokens and mask != padding):
            raise OptionError(
                f"Mask and padding are two ids below the number of tokens; got mask={mask}, padding={padding} and "
                f"tokens={tokens}. Correct them."
            )
        self.tokens, self.mask, self.padding, self.share = tokens, mask, padding, share
        self.head = nn.Linear(width, tokens)

    def _loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        if batch.is_floating_point():
            raise DataError(f"Tokens are integer ids; got {batch.dtype}. Pass ids (N, L).")
        hidden, chosen = self.hide(batch, generator)
        features = encoder(hidden)
        if features.shape[:2] != batch.shape:
            raise DataError(
                f"An encoder of tokens gives features for each of them, {tuple(batch.shape)} and a width; got "
                f"{tuple(features.shape)}. Leave out its pooling while pretraining."
            )
        return F.cross_entropy(self.head(features[chosen]), batch[chosen])

    def hide(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Ids (N, L) of which some are hidden, and which were chosen, (N, L) bool.

        Raises:
            DataError: There is nothing but padding.
        """
        shape = tuple(batch.shape)
        drawn = uniform(shape, generator, batch).masked_fill(batch == self.padding, 2.0)
        if bool((drawn > 1).all()):
            raise DataError("A batch holds tokens; this one holds padding alone. Leave such rows out.")
        chosen = (drawn < self.share) | (drawn == drawn.min())
        fate = uniform(shape, generator, batch)
        others = torch.randint(self.tokens, shape, generator=generator).to(batch)
        hidden = torch.where(chosen & (fate < 0.8), torch.full_like(batch, self.mask), batch)
        return torch.where(chosen & (fate >= 0.9), others, hidden), chosen
