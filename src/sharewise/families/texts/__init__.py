"""How families learn from tables with columns of text.

The linear family reads TF-IDF grams (`TextLinear`), the network family ids or frozen pretrained features
(`TextNetworks`); trees read latent dimensions, through `sharewise.modalities.TabularEncoder`. Other columns stand
beside the texts in all of them.

>>> from sharewise.families.texts import READERS
>>> READERS["linear"][0].learners[0], READERS["network"][0].learners[0]
('grams', 'bag')
"""

from sharewise.families._reader import Reader
from sharewise.families.texts._apart import TextLinearModel
from sharewise.families.texts._copies import Copies, TextPooledModel
from sharewise.families.texts._features import TextFeatures
from sharewise.families.texts._inputs import TextInputs
from sharewise.families.texts._linear import TextLinear
from sharewise.families.texts._networks import TextNets, TextNetworks
from sharewise.families.texts._sparse import SparsePart
from sharewise.families.texts._stacked import TextStackedModel
from sharewise.modalities.text import Grams, Vocabulary

READERS: dict[str, tuple[Reader, ...]] = {"linear": (TextLinear(),), "network": (TextNetworks(),)}
"""By family."""

TEXT_MODEL_STATE: tuple[type, ...] = (
    Copies,
    Grams,
    SparsePart,
    TextFeatures,
    TextInputs,
    TextLinearModel,
    TextNets,
    TextPooledModel,
    TextStackedModel,
    Vocabulary,
)
"""The classes that fitted models are made of, for whoever stores them."""

__all__ = ["READERS", "TEXT_MODEL_STATE", "TextLinear", "TextNetworks"]
