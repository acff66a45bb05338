"""Texts as few numbers, for learners that read dense rows.

Symbols: ``n`` texts, ``V`` grams, ``P`` latent dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities.text._grams import Grams, Texts


@final
@dataclass(frozen=True)
class LatentText:
    """Final. The directions in which texts' grams vary most (latent semantic analysis: Deerwester et al. 1990),
    standardised.

    Attributes:
        grams: Of the texts.
        directions: ``(V, P)`` float32, each scaled so that training texts vary by one.
        centre: ``(P,)`` mean of training texts along them.
    """

    grams: Grams
    directions: NDArray[np.float32]
    centre: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Texts, dimensions: int) -> LatentText:
        """At most so many dimensions; fewer where texts or grams are few."""
        from sklearn.decomposition import TruncatedSVD

        grams = Grams.fit(texts)
        X = grams.transform(texts)
        size = min(dimensions, X.shape[1] - 1, X.shape[0] - 1)
        if size < 1 or not X.nnz:
            none = np.zeros(1, dtype=np.float32)
            return cls(grams, np.zeros((X.shape[1], 1), dtype=np.float32), none)
        latent = TruncatedSVD(size, n_iter=3, random_state=0).fit(X)
        directions = latent.components_.T.astype(np.float32)
        found = X @ directions
        spread = found.std(axis=0)
        spread[spread < 1e-6] = 1.0
        return cls(grams, directions / spread, found.mean(axis=0) / spread)

    def transform(self, texts: Texts) -> NDArray[np.float64]:
        """``(n, P)``."""
        found: NDArray[np.float64] = (self.grams.transform(texts) @ self.directions - self.centre).astype(
            np.float64
        )
        return found
