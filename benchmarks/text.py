"""Text encoders on real texts: spam among messages, the sentiment of tweets.

    python benchmarks/text.py                    # both data sets, every method, five folds
    python benchmarks/text.py --data sms --methods tfidf,bag
    python benchmarks/text.py --throughput       # our batches beside loops written by hand, and times of tokenising

Every method gets the same five folds and, of each fold's training rows, the same tenth to choose by: a linear model
its penalty, a network its best epoch. Beyond that the settings are untuned. Scores are means over folds with 95%
intervals that allow for overlapping training rows (Nadeau & Bengio 2003). Seconds are CPU seconds of one fold's
fitting on one core, tokenising included; MiniLM's features are computed once for all folds and shown apart.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from scipy import stats
from sharewise.modalities import text as sw_text
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import nn

FOLDS = 5
PENALTIES = (1.0, 10.0, 100.0)
BATCH = 32
DATA = Path(os.environ.get("SHAREWISE_DATA") or Path(__file__).parents[2] / "shared" / "data")


def sms() -> tuple[list[str], np.ndarray]:
    lines = (DATA / "sms_spam" / "SMSSpamCollection").read_text(encoding="utf-8").split("\n")
    pairs = [line.split("\t", 1) for line in lines if line]
    return [text for _, text in pairs], np.array([label == "spam" for label, _ in pairs]).astype(int)


def tweets() -> tuple[list[str], np.ndarray]:
    frame = pd.read_csv(DATA / "twitter_airline" / "Tweets.csv")
    return frame["text"].tolist(), frame["airline_sentiment"].astype("category").cat.codes.to_numpy(dtype=int)


SETS = {"sms": sms, "tweets": tweets}


@dataclass(frozen=True)
class Fold:
    """Rows to learn from, to choose by, to be judged on."""

    learn: np.ndarray
    choose: np.ndarray
    test: np.ndarray


def folds(y: np.ndarray) -> Iterator[Fold]:
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(y, y):
        learn, choose = train_test_split(train, test_size=0.1, stratify=y[train], random_state=0)
        yield Fold(learn, choose, test)


def logistic(x: Any, y: np.ndarray, fold: Fold) -> np.ndarray:
    """Predictions on the test rows, with the penalty that suits the choosing rows."""
    fitted = [LogisticRegression(C=c, max_iter=1000).fit(x[fold.learn], y[fold.learn]) for c in PENALTIES]
    scores = [model.score(x[fold.choose], y[fold.choose]) for model in fitted]
    return fitted[int(np.argmax(scores))].predict(x[fold.test])


def tfidf(texts: list[str], y: np.ndarray, fold: Fold) -> np.ndarray:
    grams = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")
    grams.fit([texts[row] for row in fold.learn])
    return logistic(grams.transform(texts), y, fold)


def network(
    make: Callable[[int], nn.Module], rate: float, epochs: int
) -> Callable[[list[str], np.ndarray, Fold], np.ndarray]:
    def learn(texts: list[str], y: np.ndarray, fold: Fold) -> np.ndarray:
        torch.manual_seed(0)
        vocabulary = sw_text.Vocabulary.fit([texts[row] for row in fold.learn])
        learning, choosing, testing = (
            vocabulary.encode([texts[row] for row in rows]) for rows in (fold.learn, fold.choose, fold.test)
        )
        classes = int(y.max()) + 1
        encoder = make(vocabulary.size)
        model = nn.Sequential(encoder, nn.Linear(encoder.out_features, classes))
        plan = sw_text.LengthBatches(learning.lengths, BATCH)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * (len(plan) + 1))
        target = torch.from_numpy(y[fold.learn])
        best, found = -1.0, np.zeros(0)
        for _ in range(epochs):
            model.train()
            for rows, ids in sw_text.batches(learning, plan):
                loss = F.cross_entropy(model(ids), target[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                rates.step()
            chosen = sw_text.features(model, choosing, size=256).argmax(1).numpy()
            score = f1_score(y[fold.choose], chosen, average="macro")
            if score > best:
                best, found = score, sw_text.features(model, testing, size=256).argmax(1).numpy()
        return found

    return learn


class Frozen:
    """MiniLM's features, computed once for all folds; a linear model on top."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.held: dict[int, np.ndarray] = {}

    def __call__(self, texts: list[str], y: np.ndarray, fold: Fold) -> np.ndarray:
        if id(texts) not in self.held:
            start = time.process_time()
            tokens = sw_text.HubTokens.load("minilm").encode(texts)
            found = sw_text.features(sw_text.HuggingFace.load("minilm"), tokens, size=32)
            self.seconds = time.process_time() - start
            self.held = {id(texts): found.numpy()}
        x = self.held[id(texts)]
        return logistic(x / x[fold.learn].std(), y, fold)


METHODS: dict[str, Callable[[list[str], np.ndarray, Fold], np.ndarray]] = {
    "tfidf": tfidf,
    "bag": network(lambda size: sw_text.BagOfTokens(size, dropout=0.2), 0.01, 8),
    "bag+pairs": network(lambda size: sw_text.BagOfTokens(size, pairs=20_000, dropout=0.2), 0.01, 8),
    "cnn": network(sw_text.TextCNN, 0.002, 6),
    "transformer": network(sw_text.SmallTransformer, 0.002, 6),
    "minilm": Frozen(),
}


def interval(values: list[float]) -> str:
    """Mean and half width; the folds' training rows overlap, which widens it (Nadeau & Bengio 2003)."""
    spread = math.sqrt(np.var(values, ddof=1) * (1 / FOLDS + 1 / (FOLDS - 1)))
    return f"{100 * np.mean(values):.1f} ± {100 * stats.t.ppf(0.975, FOLDS - 1) * spread:.1f}"


def compare(name: str, methods: list[str], rows: int, console: Console) -> None:
    texts, y = SETS[name]()
    kept = np.random.default_rng(0).permutation(len(texts))[:rows]
    texts, y = [texts[row] for row in kept], y[kept]
    average = "binary" if y.max() == 1 else "macro"
    kind = "F1 of spam" if y.max() == 1 else "macro F1"
    console.print(f"[bold]{name}[/]: {len(texts)} texts, {FOLDS} folds")
    for method in methods:
        accuracy, f1, seconds = [], [], []
        for fold in folds(y):
            before = time.process_time()
            found = METHODS[method](texts, y, fold)
            seconds.append(time.process_time() - before)
            accuracy.append(accuracy_score(y[fold.test], found))
            f1.append(f1_score(y[fold.test], found, average=average))
        cost = f"{np.median(seconds):.1f}"
        if isinstance(METHODS[method], Frozen):
            cost += f" + {METHODS[method].seconds:.0f} once"
        console.print(
            f"{method:12} accuracy {interval(accuracy)} %   {kind} {interval(f1)} %   {cost} CPU s a fold"
        )


def epochs_by_hand(
    texts: list[str], y: np.ndarray, make: Callable[[int], nn.Module], repeats: int
) -> dict[str, list[float]]:
    """CPU seconds of one epoch by each way of batching, in turn; all train one and the same model."""
    vocabulary = sw_text.Vocabulary.fit(texts)
    tokens = vocabulary.encode(texts)
    target = torch.from_numpy(y)
    fixed = torch.from_numpy(tokens.padded())
    ragged = [torch.from_numpy(part.astype(np.int64)) for part in np.split(tokens.flat, tokens.starts[1:-1])]
    plan = sw_text.LengthBatches(tokens.lengths, BATCH)

    def by_width() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for rows in torch.randperm(len(fixed)).split(BATCH):
            yield rows, fixed[rows]

    def by_batch() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for rows in torch.randperm(len(ragged)).split(BATCH):
            yield rows, nn.utils.rnn.pad_sequence([ragged[row] for row in rows.tolist()], batch_first=True)

    ways = {
        "ours": lambda: sw_text.batches(tokens, plan),
        "by hand, one width": by_width,
        "by hand, width a batch": by_batch,
    }
    torch.manual_seed(0)
    encoder = make(vocabulary.size)
    model = nn.Sequential(encoder, nn.Linear(encoder.out_features, int(y.max()) + 1)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats + 1):
        for way, batches in ways.items():
            start = time.process_time()
            for rows, ids in batches():
                loss = F.cross_entropy(model(ids), target[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if turn:  # the first warms up
                seconds[way].append(time.process_time() - start)
    return seconds


def tokenising(texts: list[str], console: Console) -> float:
    """CPU seconds to fit and to encode, beside the ``tokenizers`` library; returns those of our encoding."""
    start = time.process_time()
    vocabulary = sw_text.Vocabulary.fit(texts)
    fitted = time.process_time()
    tokens = vocabulary.encode(texts)
    done = time.process_time()
    console.print(
        f"our words and pieces: fit {fitted - start:.2f} s, encode {done - fitted:.2f} s, {len(tokens.flat)} ids"
    )
    try:
        import tokenizers
    except ImportError:
        return done - fitted
    start = time.process_time()
    model = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    model.normalizer = tokenizers.normalizers.BertNormalizer()
    model.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocabulary.size, special_tokens=["[UNK]"], show_progress=False
    )
    model.train_from_iterator(texts, trainer)
    between = time.process_time()
    count = sum(len(found.ids) for found in model.encode_batch(texts))
    console.print(
        f"tokenizers' WordPiece: fit {between - start:.2f} s, encode {time.process_time() - between:.2f} s, {count} ids"
    )
    return done - fitted


def throughput(name: str, rows: int, console: Console) -> None:
    texts, y = SETS[name]()
    texts, y = texts[:rows], y[:rows]
    ours = tokenising(texts, console)
    table = Table(
        "model",
        "way",
        "CPU s an epoch",
        "rate beside ours",
        "tokenising / epoch",
        title=f"{name}: {len(texts)} texts",
    )
    models = {"bag": sw_text.BagOfTokens, "cnn": sw_text.TextCNN, "transformer": sw_text.SmallTransformer}
    for label, make in models.items():
        found = {way: float(np.median(s)) for way, s in epochs_by_hand(texts, y, make, 3).items()}
        for way, seconds in found.items():
            share = f"{ours / seconds:.0%}" if way == "ours" else ""
            table.add_row(label, way, f"{seconds:.2f}", f"{found['ours'] / seconds:.2f}", share)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="sms,tweets")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--rows", type=int, default=6000, help="at most so many texts of a set, by chance")
    parser.add_argument("--throughput", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    for name in given.data.split(","):
        if given.throughput:
            throughput(name, given.rows, console)
        else:
            compare(name, given.methods.split(","), given.rows, console)


if __name__ == "__main__":
    main()
