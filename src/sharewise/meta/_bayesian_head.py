"""Bayesian linear regression as the last layer, with a prior learnt across tasks.

Symbols: `E` tasks, `S` support rows, `Q` query rows, `D` features and a constant one, `F` columns of the prior's factor.
"""

from __future__ import annotations

import math
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import Kind, MetaLearner, State, refuse_batch_statistics
from sharewise.meta._episodes import Episodes, Support, check_query
from sharewise.meta._features import check_sizes, features_of
from sharewise.meta._gaussian import gaussian_losses
from sharewise.meta._solve import fit_ridge, solve_ridge


@final
class BayesianHead(MetaLearner):
    """ALPaCA (Harrison, Sharma & Pavone 2018, https://arxiv.org/abs/1807.08912), for one number a row.

    A task's weights have the prior N(m, CC'), labels the noise σ². With features Φ of the support and targets y the
    posterior is closed (the paper's Bayesian update, with precision Λ₀ = σ² (CC')⁻¹ and mean K̄₀ = m):

        w = Λ⁻¹ (Φ'y + Λ₀ m),   Λ = Φ'Φ + Λ₀,   predictive variance of a row φ: σ² (1 + φ'Λ⁻¹φ).

    m, C, σ² and the encoder are learnt by the predictive likelihood of query rows (the paper's meta-objective; it
    takes σ² as known). Here w = m + Cz, and z is a ridge regression of y − Φm on ΦC with penalty σ²: an S×S or an F×F
    system, whichever is smaller, and no inverse of a prior. From one label on, predictions start at the prior's and move
    as far as the tasks seen before warrant.

    Args:
        features: How many features a row has after the encoder; a constant one is added.
        encoder: (N, *P) to features, flattened; None for the inputs as they are.
        rank: None for a full (lower triangular) C; or R for C = [diagonal | D×R], for wide features.
        spread: Standard deviation that the first prior gives to predictions, for features of unit size.
        noise: σ that learning starts from.

    Raises:
        OptionError: An argument is off.
    """

    name: ClassVar[str] = "bayes"
    serves: ClassVar[frozenset[Kind]] = frozenset({"regression"})

    def __init__(
        self,
        features: int,
        *,
        encoder: nn.Module | None = None,
        rank: int | None = None,
        spread: float = 1.0,
        noise: float = 0.5,
    ) -> None:
        super().__init__()
        check_sizes(features=features, rank=1 if rank is None else rank)
        if min(spread, noise) <= 0:
            raise OptionError(
                f"Standard deviations are above zero; got spread={spread} and noise={noise}. Raise them."
            )
        self.encoder, self.features = refuse_batch_statistics(encoder or nn.Identity()), features
        width = features + 1
        start = spread / math.sqrt(width)
        self.prior_mean = nn.Parameter(torch.zeros(width, 1))
        self.log_diagonal = nn.Parameter(torch.full((width,), math.log(start)))
        # Beside the diagonal a low rank starts at random: from zeros its columns would all learn the same.
        rest = torch.zeros(width, width) if rank is None else 0.1 * start * torch.randn(width, rank)
        self.rest = nn.Parameter(rest)
        self.low_rank = rank is not None
        self.log_noise = nn.Parameter(torch.tensor(2 * math.log(noise)))

    @property
    def prior_factor(self) -> Tensor:
        """C (D, F), with F = D, or D + R."""
        diagonal = self.log_diagonal.exp().diag()
        return torch.cat([diagonal, self.rest], 1) if self.low_rank else diagonal + self.rest.tril(-1)

    @property
    def noise(self) -> Tensor:
        """σ², ()."""
        return self.log_noise.exp()

    def distribution(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Mean and variance, each (E, Q), of the predictive Gaussians of query numbers; differentiable.

        Raises:
            DataError: As for `predict`.
        """
        self._check(episodes.support)
        check_query(episodes)
        return self._gaussian(episodes)

    def _fit(self, support: Support) -> State:
        return {"weights": self._posterior_mean(support, *self._whitened(support))}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        return (self._rows(x) @ state["weights"])[..., 0]

    def _meta_loss(self, episodes: Episodes) -> Tensor:
        return gaussian_losses(*self._gaussian(episodes), episodes).mean()

    def _gaussian(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        phi, white = self._whitened(episodes.support)
        rows = self._rows(episodes.query_x)
        asked = rows @ self.prior_factor  # (E, Q, F)
        left = (asked * solve_ridge(white, self.noise, asked.mT).mT).sum(-1)
        # σ² (1 + φ'Λ⁻¹φ); on the S×S side φ'Λ⁻¹φ is a difference, which may round below zero.
        variance = self.noise * (1 + left.clamp_min(0))
        return (rows @ self._posterior_mean(episodes.support, phi, white))[..., 0], variance

    def _posterior_mean(self, support: Support, phi: Tensor, white: Tensor) -> Tensor:
        """The posterior's mean w (E, D, 1)."""
        there = support.mask[..., None]
        y = support.y[..., None].to(phi.dtype)
        # Padded rows are zeros on both sides, which a ridge system does not see.
        surprise = (y - phi @ self.prior_mean).masked_fill(~there, 0)
        return self.prior_mean + self.prior_factor @ fit_ridge(white, self.noise, surprise)

    def _whitened(self, support: Support) -> tuple[Tensor, Tensor]:
        """Φ (E, S, D) and ΦC (E, S, F), zero in padded rows."""
        phi = self._rows(support.x).masked_fill(~support.mask[..., None], 0)
        return phi, phi @ self.prior_factor

    def _rows(self, x: Tensor) -> Tensor:
        """Features and a constant one, (E, R, D)."""
        found = features_of(self.encoder, x, self.features)
        return torch.cat([found, torch.ones_like(found[..., :1])], -1)
