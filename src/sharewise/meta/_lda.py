"""Linear discriminant analysis with a shrunken covariance as the last layer."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import MetaLearner, State, encode, refuse_batch_statistics
from sharewise.meta._episodes import Support
from sharewise.meta._prototypes import class_means
from sharewise.meta._solve import solve_ridge

SMALLEST = 1e-6
"""Least share of the identity in a covariance, so that a support of one row a class stays solvable."""


@final
class LDA(MetaLearner):
    """Gaussian classes with one shrunken covariance, solved for each task.

    A covariance is what the support says, C (the mean outer product of rows around their class means), pulled to a
    multiple of the identity:

    - a number a: (1 − a) C + a tr(C)/D I, as scikit-learn's ``LinearDiscriminantAnalysis(shrinkage=a)``;
    - ``"ledoit-wolf"``: that, with a by Ledoit and Wolf (2004, https://doi.org/10.1016/S0047-259X(03)00096-4) on
      the rows around their class means, all classes together (scikit-learn's ``"auto"`` does so class by class);
    - ``"learnt"``: (ν τ I + n C) / (ν + n) for n rows, the mean under an inverse-Wishart prior of variance τ worth ν
      rows, both learnt across tasks. One row a class gives C = 0, and with it prototypes.

    Each class is as likely as its share of the support, unless ``even``.

    Args:
        encoder: (N, *P) to features, flattened to (N, D).
        shrinkage: As above.
        even: Whether classes are equally likely whatever the support holds.
        variance: Where τ starts.
        rows: Where ν starts.
    """

    name: ClassVar[str] = "lda"

    def __init__(
        self,
        encoder: nn.Module,
        *,
        shrinkage: float | Literal["ledoit-wolf", "learnt"] = "learnt",
        even: bool = True,
        variance: float = 1.0,
        rows: float = 10.0,
    ) -> None:
        super().__init__()
        if isinstance(shrinkage, str) != (shrinkage in ("ledoit-wolf", "learnt")):
            raise OptionError(
                f"Shrinkage is a number, 'ledoit-wolf' or 'learnt'; got {shrinkage!r}. Leave it out for 'learnt'."
            )
        if not isinstance(shrinkage, str) and not 0 <= shrinkage <= 1:
            raise OptionError(f"Shrinkage is a share between 0 and 1; got {shrinkage}. Pass 0.1, say.")
        if min(variance, rows) <= 0:
            raise OptionError(
                f"A prior covariance has a positive variance and weight; got {variance} and {rows}. Raise them."
            )
        self.encoder = refuse_batch_statistics(encoder)
        self.shrinkage, self.even = shrinkage, even
        learnt = shrinkage == "learnt"
        self.log_variance = nn.Parameter(torch.tensor(variance).log(), requires_grad=learnt)
        self.log_rows = nn.Parameter(torch.tensor(rows).log(), requires_grad=learnt)

    def _fit(self, support: Support) -> State:
        features, one_hot = encode(self.encoder, support.x), support.one_hot
        one_hot = one_hot.to(features.dtype)
        means = class_means(features, one_hot)
        residuals = (features - one_hot @ means).masked_fill(~support.mask[..., None], 0)
        factor, diagonal = self._covariance(residuals, support.mask.sum(1).to(features.dtype))
        # (c R'R + d I)⁻¹ M' = (R'R + d/c I)⁻¹ M' / c
        weights = solve_ridge(residuals, diagonal / factor, means.mT) / factor[:, None, None]
        intercept = -0.5 * (weights * means.mT).sum(1, keepdim=True)
        if not self.even:
            counts = one_hot.sum(1, keepdim=True)
            intercept = intercept + (counts / counts.sum(-1, keepdim=True)).clamp_min(SMALLEST).log()
        return {"weights": weights, "intercept": intercept}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        return encode(self.encoder, x) @ state["weights"] + state["intercept"]

    def _covariance(self, residuals: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers c and d, each (E,), of the covariance c R'R + d I."""
        if self.shrinkage == "learnt":
            weight = self.log_rows.exp()
            total = weight + count
            return 1 / total, weight * self.log_variance.exp() / total
        width = residuals.shape[-1]
        trace = residuals.square().sum((1, 2)) / count / width
        fixed = None if isinstance(self.shrinkage, str) else torch.full_like(count, self.shrinkage)
        share = ledoit_wolf(residuals, count) if fixed is None else fixed
        # Without any spread within classes the identity takes its place: nearest class mean.
        bare = torch.where(trace > 0, trace, torch.ones_like(trace))
        return (1 - share).clamp_min(SMALLEST) / count, bare * share.clamp_min(SMALLEST)


def ledoit_wolf(residuals: Tensor, count: Tensor) -> Tensor:
    """The share (E,) of tr(C)/D I that Ledoit and Wolf's (2004) lemma 3.2–3.4 gives for C = R'R/n.

    Args:
        residuals: (E, S, D), rows around their means, zero where padded.
        count: (E,) rows that are there, n.
    """
    width = residuals.shape[-1]
    gram = residuals @ residuals.mT
    norms = gram.diagonal(dim1=1, dim2=2)
    square = gram.square().sum((1, 2)) / count.square()  # |C|²; through the Gramian, without D×D
    mean = norms.sum(1) / count / width
    distance = square / width - mean.square()  # d² = |C − mI|² / D
    noise = (norms.square().sum(1) / count - square) / count / width  # b̄², mean |x x' − C|² / n
    share = torch.minimum(noise, distance) / distance.clamp_min(torch.finfo(distance.dtype).tiny)
    return torch.where(distance > 0, share, torch.ones_like(share)).clamp(0, 1)
