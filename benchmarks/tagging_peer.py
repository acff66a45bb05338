"""spaCy's own taggers from blank English, for ``tagging.py --peer``: trained on the same sentences, chosen on the same."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import spacy
from sharewise.problems import Sentences
from sharewise.tasks import TokenKind
from spacy.tokens import Doc
from spacy.training import Example, biluo_tags_to_spans, iob_to_biluo
from spacy.util import minibatch

PIPES = {"pos": "tagger", "entities": "ner"}
WORDS = 1000
"""Of a batch, as spaCy's own default."""
CHECKS = 8


@dataclass(frozen=True)
class Peer:
    """A training: tags of the test sentences, weights, CPU seconds, times through the sentences, words a second."""

    tags: list[tuple[str, ...]]
    weights: int
    seconds: float
    epochs: float
    pace: float


def train_and_tag(
    kind: TokenKind,
    source: Sentences,
    choose: Sentences,
    test: Sentences,
    task: str,
    seconds: float,
    seed: int,
) -> Peer:
    """A pipe trained for some CPU seconds, with its weights where it did best on the sentences to choose on."""
    spacy.util.fix_random_seed(seed)
    language = spacy.blank("en")
    pipe: Any = language.add_pipe(PIPES[task])
    examples = _examples(language, source, task)
    optimizer = language.initialize(lambda: examples)
    shuffled = random.Random(seed)
    metric, best, kept, read, checked = kind.metric(), -1.0, b"", 0, 0
    began = time.process_time()
    while (share := (time.process_time() - began) / seconds) < 1.0:
        shuffled.shuffle(examples)
        for batch in minibatch(examples, size=max(4, WORDS * len(examples) // source.tokens)):
            language.update(batch, sgd=optimizer, drop=0.1)
            read += len(batch)
            share = (time.process_time() - began) / seconds
            if int(share * CHECKS) > checked or share >= 1.0:
                checked = int(share * CHECKS)
                score = metric(choose.column(task), _tags(language, choose, task))
                if score > best:
                    best, kept = score, pipe.to_bytes()
            if share >= 1.0:
                break
    spent = time.process_time() - began
    pipe.from_bytes(kept)
    began = time.process_time()
    found = _tags(language, test, task)
    pace = test.tokens / (time.process_time() - began)
    weights = sum(node.get_param(name).size for node in pipe.model.walk() for name in node.param_names)
    return Peer(found, int(weights), spent, read / len(examples), pace)


def _examples(language: Any, source: Sentences, task: str) -> list[Example]:
    found = []
    for words, tags in zip(source.words, source.column(task), strict=True):
        if tags is None:
            continue
        truth = Doc(language.vocab, words=list(words))
        if task == "pos":
            for token, tag in zip(truth, tags, strict=True):
                token.tag_ = tag
        else:
            truth.ents = biluo_tags_to_spans(truth, iob_to_biluo(list(tags)))
        found.append(Example(Doc(language.vocab, words=list(words)), truth))
    return found


def _tags(language: Any, given: Sentences, task: str) -> list[tuple[str, ...]]:
    docs = language.pipe([Doc(language.vocab, words=list(words)) for words in given.words])
    if task == "pos":
        return [tuple(token.tag_ for token in doc) for doc in docs]
    return [
        tuple(f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O" for token in doc)
        for doc in docs
    ]
