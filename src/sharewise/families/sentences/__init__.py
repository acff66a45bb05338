"""How families learn from sentences of words: networks over words, and a small linear tagger.

Nothing here is fitted on other than a fold's training sentences but what is pretrained, which saw no label of theirs.
"""

from sharewise.families._reader import Reader
from sharewise.families.sentences._linear import LinearTags, LinearWords, WordWeights
from sharewise.families.sentences._nets import Lexicon, SentenceNet, SentenceNets
from sharewise.families.sentences._network import SentenceNetworks

READERS: dict[str, tuple[Reader, ...]] = {"linear": (LinearWords(),), "network": (SentenceNetworks(),)}
"""By family."""

SENTENCE_STATE: tuple[type, ...] = (Lexicon, LinearTags, SentenceNet, SentenceNets, WordWeights)
"""The classes that fitted taggers are made of, for whoever stores them."""

__all__ = ["READERS", "SENTENCE_STATE"]
