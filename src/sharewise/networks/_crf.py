"""A linear chain over a sentence's tags: how well each tag fits its word and the tag before it.

Symbols: ``B`` sentences, ``L`` places, ``K`` labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.tasks import Transitions

FORBIDDEN = -1e4
"""A score so low that its exponential is zero, yet finite: infinities would give NaN slopes."""


class LinearChainCRF(nn.Module):
    """Final. Conditional random field on a head's scores (Lafferty et al., ICML 2001; as the last layer of a network in
    Lample et al., *Neural Architectures for Named Entity Recognition*, NAACL 2016, https://arxiv.org/abs/1603.01360).

    The score of a sentence's tags is the sum of the head's scores and of a learnt number for every pair of
    neighbours, for the first and for the last tag (eq. 1 there).

    Args:
        labels: ``K``.
        allowed: Which tags may stand first and after one another (``kind.transitions()``); forbidden ones have no
            probability and are never decoded. All are allowed without it.
    """

    first_forbidden: Tensor
    next_forbidden: Tensor

    def __init__(self, labels: int, allowed: Transitions | None = None) -> None:
        super().__init__()
        if allowed is not None and allowed.next.shape != (labels, labels):
            raise OptionError(
                f"allowed transitions are for as many labels as the chain has; got {allowed.next.shape[0]} for "
                f"{labels}. Take both from one kind."
            )
        self.labels = labels
        self.first = nn.Parameter(torch.zeros(labels))
        self.next = nn.Parameter(torch.zeros(labels, labels))
        self.last = nn.Parameter(torch.zeros(labels))
        free = torch.zeros(labels, labels, dtype=torch.bool)
        self.register_buffer("first_forbidden", free[0] if allowed is None else ~torch.tensor(allowed.first))
        self.register_buffer("next_forbidden", free if allowed is None else ~torch.tensor(allowed.next))

    def log_loss(self, scores: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Minus the logarithm of the probability of each sentence's tags ``(B,)`` (eq. 2).

        Computed in at least 32 bits. A sentence without a label at all costs nothing.

        Args:
            scores: ``(B, L, K)``.
            target: ``(B, L)`` codes; negative in whole sentences that have no labels, and beyond the mask.
            mask: ``(B, L)``, true at a sentence's words, which come first.

        Raises:
            OptionError: Shapes do not fit, a sentence is empty, or is labelled in part.
        """
        scores = self._checked(scores, mask)
        known = (target >= 0) & mask
        labelled = known[:, 0]
        if target.shape != mask.shape or bool((known != (mask & labelled[:, None])).any()):
            raise OptionError(
                "a chain's sentences are labelled as a whole or not at all; got one labelled in part, or a target of "
                f"shape {tuple(target.shape)} for {tuple(mask.shape)} places. Give its gaps negative codes everywhere."
            )
        each = self._log_total(scores, mask) - self._score(scores, target.clamp(min=0), mask)
        return torch.where(labelled, each, 0.0)

    @torch.no_grad()
    def decode(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The most probable allowed tags ``(B, L)`` (Viterbi 1967); -1 beyond the mask."""
        scores = self._checked(scores, mask)
        first, between = self._chain()
        best = first + scores[:, 0]
        before: list[Tensor] = []
        stay = torch.arange(self.labels, device=scores.device).expand_as(best)
        for place in range(1, scores.shape[1]):
            reached, origin = (best.unsqueeze(2) + between).max(dim=1)
            there = mask[:, place].unsqueeze(1)
            best = torch.where(there, reached + scores[:, place], best)
            before.append(torch.where(there, origin, stay))
        tags = [(best + self.last).argmax(dim=1)]
        for origin in reversed(before):
            tags.append(origin.gather(1, tags[-1].unsqueeze(1)).squeeze(1))
        # Beyond a sentence's end the last tag was carried on unchanged.
        return torch.stack(tags[::-1], dim=1).masked_fill(~mask, -1)

    @torch.no_grad()
    def marginals(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Each word's probability of each tag ``(B, L, K)``, whatever the others' are; zero beyond the mask.

        By the forward-backward algorithm (Rabiner, *A Tutorial on Hidden Markov Models*, Proc. IEEE 1989, eq. 27). Unlike
        best sequences they can be averaged over chains.
        """
        scores = self._checked(scores, mask)
        _, between = self._chain()
        reached = self._forward(scores, mask)
        after = [self.last.to(scores.dtype).expand_as(scores[:, 0])]
        for place in range(scores.shape[1] - 1, 0, -1):
            stepped = torch.logsumexp(between + (scores[:, place] + after[-1]).unsqueeze(1), dim=2)
            # Beyond a sentence's end nothing follows: its last word gets what a last word gets.
            after.append(torch.where(mask[:, place].unsqueeze(1), stepped, after[-1]))
        both = torch.stack(reached, dim=1) + torch.stack(after[::-1], dim=1)
        return torch.softmax(both, dim=2) * mask.unsqueeze(2)

    def _log_total(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Logarithm of the summed exponentials of all tag sequences ``(B,)``."""
        return torch.logsumexp(self._forward(scores, mask)[-1] + self.last, dim=1)

    def _forward(self, scores: Tensor, mask: Tensor) -> list[Tensor]:
        """At every place the logarithm of the summed exponentials ``(B, K)`` of all that leads to a tag there; beyond a
        sentence's end that of its last word."""
        first, between = self._chain()
        reached = [first + scores[:, 0]]
        for place in range(1, scores.shape[1]):
            stepped = torch.logsumexp(reached[-1].unsqueeze(2) + between, dim=1) + scores[:, place]
            reached.append(torch.where(mask[:, place].unsqueeze(1), stepped, reached[-1]))
        return reached

    def _score(self, scores: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Score of the given tags ``(B,)``."""
        first, between = self._chain()
        words = (scores.gather(2, tags.unsqueeze(2)).squeeze(2) * mask).sum(dim=1)
        pairs = (between[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]).sum(dim=1)
        end = tags.gather(1, mask.sum(dim=1, keepdim=True) - 1).squeeze(1)
        return first[tags[:, 0]] + words + pairs + self.last[end]

    def _chain(self) -> tuple[Tensor, Tensor]:
        """What a first tag and a pair of neighbours score."""
        first = self.first.masked_fill(self.first_forbidden, FORBIDDEN)
        return first, self.next.masked_fill(self.next_forbidden, FORBIDDEN)

    def _checked(self, scores: Tensor, mask: Tensor) -> Tensor:
        if scores.ndim != 3 or scores.shape[2] != self.labels or scores.shape[:2] != mask.shape:
            raise OptionError(
                f"a chain reads scores (sentences, places, {self.labels}) and a mask of their places; got "
                f"{tuple(scores.shape)} and {tuple(mask.shape)}. Give the head as many outputs as there are labels."
            )
        ends = mask[:, 1:] & ~mask[:, :-1]
        if not bool(mask[:, 0].all()) or bool(ends.any()):
            raise OptionError(
                "a sentence's words come first and are at least one; got a mask with a hole or an empty sentence. "
                "Leave empty sentences out."
            )
        return scores if scores.dtype == torch.float64 else scores.float()
