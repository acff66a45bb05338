"""scikit-learn's words for a comparison: ``fit(X, Y)`` on a wide ``Y`` with gaps, ``predict``, in any pipeline.

>>> import numpy as np
>>> import sharewise as sw
>>> rng = np.random.default_rng(0)
>>> X = rng.normal(size=(60, 3))
>>> y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=60)
>>> model = sw.ShareRegressor(families=["linear"], random_state=0).fit(X, y)
>>> bool(model.score(X, y) > 0.9)
True
"""

from sharewise.estimators._classifier import ShareClassifier
from sharewise.estimators._regressor import ShareRegressor

__all__ = ["ShareClassifier", "ShareRegressor"]
