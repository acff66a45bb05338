"""A network that tags every word: an encoder of sentences, a head a task, a chain where tags may not follow as they like.

Symbols: ``B`` sentences of a batch, ``L`` places, ``K`` labels. A *cell* is a task's code, here its target's place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.errors import StorageError
from sharewise.families._base import Configuration
from sharewise.families.sentences._cells import Words
from sharewise.families.sentences._nets import Lexicon
from sharewise.modalities.tokens import (
    ConvolutionEncoder,
    FrozenEncoder,
    FrozenFeatures,
    LexicalInputs,
    RecurrentEncoder,
    SubwordEncoder,
    SubwordInputs,
    TokenEncoder,
    TokenInputs,
    Vocabulary,
    loaded,
    rows_by_length,
)
from sharewise.networks import HardSharing, LinearChainCRF, heads
from sharewise.tasks import TokenKind
from sharewise.tasks._token_loss import token_loss_sum

PLACES = 4000
"""Places predicted at once."""
SHAPES = 32
"""Width of the vector of a word's shape beside a pretrained model that reads small letters."""

SCRATCH = {"recurrent": RecurrentEncoder, "convolution": ConvolutionEncoder}
WIDTHS = {"recurrent": 64, "convolution": 96}


@dataclass(frozen=True)
class Tagger:
    """Inputs and the network that reads them.

    Attributes:
        lexicon: What the inputs know; empty where they are pretrained.
    """

    lexicon: Lexicon
    inputs: TokenInputs
    network: TagNetwork

    @classmethod
    def start(
        cls, configuration: Configuration, kinds: Mapping[int, TokenKind], sentences: Sequence[Words]
    ) -> Tagger:
        """A network that has learnt nothing yet, its vocabulary of these sentences."""
        if configuration.learner not in SCRATCH:
            return cls.of(configuration, kinds, Lexicon((), (), 0))
        # A handful of sentences repeats few words; with many, what comes once stands for what is not known.
        at_least = 1 if sum(map(len, sentences)) < 2000 else 2
        fitted = LexicalInputs.fit(sentences, at_least=at_least, buckets=_buckets(sentences))
        return cls.of(
            configuration,
            kinds,
            Lexicon(fitted.words.entries, fitted.letters.entries, fitted.sizes.buckets),
        )

    @classmethod
    def of(cls, configuration: Configuration, kinds: Mapping[int, TokenKind], lexicon: Lexicon) -> Tagger:
        """A network of that structure, its weights not yet set."""
        inputs, encoder = _parts(configuration, lexicon)
        return cls(lexicon, inputs, TagNetwork(encoder, kinds))

    def probabilities(self, sentences: Sequence[Words]) -> dict[int, list[NDArray[np.float32]]]:
        """By cell ``(L, K)`` of every sentence."""
        found: dict[int, list[Any]] = {cell: [None] * len(sentences) for cell in self.network.kinds}
        self.network.eval()
        with torch.no_grad():
            for rows in rows_by_length([len(words) for words in sentences], PLACES):
                batch = self.inputs.batch([sentences[row] for row in rows])
                for cell, shares in self.network.shares(batch).items():
                    for row, own in zip(rows, shares.float().numpy(), strict=True):
                        found[cell][row] = own[: len(sentences[row])].copy()
        return found

    def weights(self) -> dict[str, NDArray[Any]]:
        """What was learnt, copied; what is pretrained and stood still is left out."""
        still = {name for name, value in self.network.named_parameters() if not value.requires_grad}
        return {
            name: value.detach().numpy().copy()
            for name, value in self.network.state_dict(keep_vars=True).items()
            if name not in still
        }

    def take(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Sets what `weights` gave.

        Raises:
            StorageError: They are another network's.
        """
        given = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
        try:
            missing, surplus = self.network.load_state_dict(given, strict=False)
        except RuntimeError as error:
            raise StorageError(
                "stored weights fit the network they were learnt by; these do not. Train the model again."
            ) from error
        if surplus or set(missing) & set(self.weights()):
            raise StorageError(
                "stored weights are all of the network they were learnt by; these are not. Train the model again."
            )


class TagNetwork(nn.Module):
    """Hard sharing, and chains over the tags of those tasks whose tags restrict one another."""

    def __init__(self, encoder: TokenEncoder, kinds: Mapping[int, TokenKind]) -> None:
        super().__init__()
        self.kinds = dict(kinds)
        outputs = {_name(cell): kind.outputs for cell, kind in kinds.items()}
        self.shared = HardSharing(encoder, heads(outputs, encoder.out_features))
        allowed = {_name(cell): kind.transitions() for cell, kind in kinds.items()}
        self.chains = nn.ModuleDict(
            {name: LinearChainCRF(len(one.first), one) for name, one in allowed.items() if not one.next.all()}
        )

    def losses(self, batch: Any, targets: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Log loss by cell, summed over labelled words; targets ``(B, L)`` are negative at gaps."""
        scores = self.shared(batch, tuple(_name(cell) for cell in targets))
        found = {}
        for cell, target in targets.items():
            own = scores[_name(cell)]
            if _name(cell) in self.chains:
                chain: Any = self.chains[_name(cell)]
                found[cell] = chain.log_loss(own, target, batch.mask).sum()
            else:
                found[cell] = token_loss_sum(self.kinds[cell], own, target)[0]
        return found

    def shares(self, batch: Any) -> dict[int, Tensor]:
        """Probabilities ``(B, L, K)`` by cell; of chains their marginals, which can be averaged."""
        scores = self.shared(batch)
        found: dict[int, Tensor] = {}
        for cell in self.kinds:
            own = scores[_name(cell)]
            if _name(cell) in self.chains:
                chain: Any = self.chains[_name(cell)]
                found[cell] = chain.marginals(own, batch.mask)
            else:
                found[cell] = torch.softmax(own.float(), dim=-1)
        return found


def _name(cell: int) -> str:
    return f"t{cell}"


def _buckets(sentences: Sequence[Words]) -> int:
    """Room for affixes by the number of different words: most weights of a network are these tables."""
    different = len({word for words in sentences for word in words})
    return int(np.clip(2 * different, 500, 10_000))


def _parts(configuration: Configuration, lexicon: Lexicon) -> tuple[TokenInputs, TokenEncoder]:
    if configuration.learner in SCRATCH:
        inputs = LexicalInputs(Vocabulary(lexicon.words), Vocabulary(lexicon.letters), lexicon.buckets)
        build: Any = SCRATCH[configuration.learner]
        width = int(configuration.get("width", WIDTHS[configuration.learner]))
        encoder: TokenEncoder = build(inputs.sizes, width, dropout=configuration.get("dropout", 0.3))
        return inputs, encoder
    tune = configuration.word("tune", "frozen")
    if tune == "frozen":
        features = FrozenFeatures(encoder_of(configuration))
        return features, FrozenEncoder(
            features.width, int(configuration.get("width", 64)), dropout=configuration.get("dropout", 0.2)
        )
    tokenizer, model = loaded(encoder_of(configuration))
    # Weights that stand still are held once, however many networks are trained.
    shared: dict[int, Any] = {id(value): value for value in model.parameters()} if tune != "full" else {}
    own = copy.deepcopy(model, shared).requires_grad_(tune == "full")
    rank = int(configuration.get("rank", 8))
    return SubwordInputs(tokenizer), SubwordEncoder(
        own, tune="full" if tune == "full" else "low_rank", rank=rank, shapes=SHAPES, dropout=0.0
    )


def encoder_of(configuration: Configuration) -> str:
    """The pretrained encoder's short name: the learner's, which is told from that of whole texts by a second word."""
    return configuration.learner.removesuffix(" tagger")
