"""Sentences of words to one vector a word, for heads that tag every word.

Inputs are fitted on training sentences only and put a batch together; an encoder, an ``nn.Module``, gives a vector a
word. Both come in two sorts: from scratch (words, letters, hashed affixes and shapes, then a BiLSTM or
convolutions), and sub-words of a pretrained transformer, of which a word takes its first's vector.

>>> import torch
>>> from sharewise.modalities.tokens import LexicalInputs, RecurrentEncoder, rows_by_length
>>> sentences = [("He", "ran"), ("She", "ran", "home", "fast")]
>>> inputs = LexicalInputs.fit(sentences, at_least=1)
>>> encoder = RecurrentEncoder(inputs.sizes, width=8)
>>> batch = inputs.batch(sentences)
>>> encoder(batch).shape, batch.mask.sum(dim=1).tolist()
(torch.Size([2, 4, 16]), [2, 4])

Batches hold sentences of like length, and places up to a bound, whatever the sentences' lengths:

>>> [rows.tolist() for rows in rows_by_length([2, 4, 3, 4], places=8)]
[[0, 2], [1, 3]]

With the extra ``text`` (transformers, and the packaged MiniLM that needs no connection):
``inputs, encoder = pretrained("minilm", tune="low_rank")``.
"""

from sharewise.modalities.tokens._base import TokenEncoder, TokenInputs
from sharewise.modalities.tokens._batches import rows_by_length
from sharewise.modalities.tokens._convolution import ConvolutionEncoder
from sharewise.modalities.tokens._frozen_features import FrozenBatch, FrozenEncoder, FrozenFeatures, loaded
from sharewise.modalities.tokens._lexical_inputs import LexicalBatch, LexicalInputs, LexicalSizes
from sharewise.modalities.tokens._pretrained import PACKAGED, load_pretrained, pretrained
from sharewise.modalities.tokens._recurrent import RecurrentEncoder
from sharewise.modalities.tokens._subword_encoder import SubwordEncoder, Tune
from sharewise.modalities.tokens._subword_inputs import SubwordBatch, SubwordInputs
from sharewise.modalities.tokens._vocabulary import PADDING, UNKNOWN, Vocabulary
from sharewise.modalities.tokens._word_vectors import WordVectors

__all__ = [
    "PACKAGED",
    "PADDING",
    "UNKNOWN",
    "ConvolutionEncoder",
    "FrozenBatch",
    "FrozenEncoder",
    "FrozenFeatures",
    "LexicalBatch",
    "LexicalInputs",
    "LexicalSizes",
    "RecurrentEncoder",
    "SubwordBatch",
    "SubwordEncoder",
    "SubwordInputs",
    "TokenEncoder",
    "TokenInputs",
    "Tune",
    "Vocabulary",
    "WordVectors",
    "load_pretrained",
    "loaded",
    "pretrained",
    "rows_by_length",
]
