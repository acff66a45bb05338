"""Tables made of texts: latent semantic features of words, the tasks as they stand in the archives.

Nothing to run; `tables.load` gives them by name. Each is a seeded sample of its archive, small enough for
a study to be cheap; how texts become features is told in ``tables_squeeze.py``.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from tables_base import Loaded, data_folder, make
from tables_squeeze import squeeze_texts


def _utterances() -> pd.DataFrame:
    """CLINC150: 23,700 requests to an assistant with ``intent`` and ``domain``; None out of its scope."""
    folder = data_folder() / "clinc150"
    parts = json.loads((folder / "data_full.json").read_text())
    domains = json.loads((folder / "domains.json").read_text())
    domain_of = {
        intent.replace(" ", "_"): domain for domain, intents in domains.items() for intent in intents
    }
    frame = pd.DataFrame([pair for part in parts.values() for pair in part], columns=["text", "intent"])
    frame["domain"] = frame["intent"].map(domain_of)
    outside = frame["intent"] == "oos"
    if frame.loc[~outside, "domain"].isna().any():
        raise ValueError(f"every intent must belong to a domain; {folder / 'domains.json'} lacks some.")
    return frame.drop_duplicates("text")


def clinc_scope(rows: int = 1600, seed: int = 0) -> Loaded:
    """Is a request in the assistant's scope, and of which domain (10 classes, a gap where it is not)?"""
    found = _utterances()
    inside, outside = found[found["domain"].notna()], found[found["domain"].isna()]
    parts = [inside.sample(rows * 3 // 4, random_state=seed), outside.sample(rows // 4, random_state=seed)]
    frame = pd.concat(parts, ignore_index=True)
    frame["in_scope"] = np.where(frame["domain"].notna(), "yes", "no")
    table = pd.concat([squeeze_texts(frame["text"], 32), frame[["in_scope", "domain"]]], axis=1)
    return make(table, ["in_scope", "domain"], {"in_scope": "binary", "domain": "multiclass"})


def clinc_intents(domains: int = 6, intents: int = 4, per_intent: int = 80, seed: int = 0) -> Loaded:
    """A domain's intents are a task: wide, each request labelled for its own domain only."""
    random = np.random.default_rng(seed)
    found = _utterances()
    found = found[found["domain"].notna()]
    parts = []
    for domain in random.permutation(sorted(found["domain"].unique()))[:domains]:
        own = found[found["domain"] == domain]
        for intent in random.permutation(sorted(own["intent"].unique()))[:intents]:
            chosen = own[own["intent"] == intent].sample(per_intent, random_state=seed)
            parts.append(chosen.assign(**{str(domain): intent}))
    frame = pd.concat(parts, ignore_index=True)
    targets = sorted(frame["domain"].unique())
    table = pd.concat([squeeze_texts(frame["text"], 32), frame[targets]], axis=1)
    return make(table, targets, "multiclass")


def sms_spam(rows: int = 1500, seed: int = 0) -> Loaded:
    """Spam among short messages; long, a third of the messages by length each a task of its own."""
    path = data_folder() / "sms_spam" / "SMSSpamCollection"
    found = pd.read_csv(path, sep="\t", quoting=3, header=None, names=["spam", "text"]).drop_duplicates()
    frame = found.sample(rows, random_state=seed).reset_index(drop=True)
    length = pd.qcut(frame["text"].str.len(), 3, labels=["short", "middling", "long"]).astype(str)
    table = squeeze_texts(frame["text"], 24).assign(
        digits=frame["text"].str.count(r"\d"),
        capitals=frame["text"].str.count(r"[A-Z]"),
        length=length,
        spam=frame["spam"],
    )
    return make(table, ["spam"], "binary", task="length")


def _tweets() -> pd.DataFrame:
    """Tweets to six American airlines, without the handle that names the airline."""
    found = pd.read_csv(data_folder() / "twitter_airline" / "Tweets.csv").drop_duplicates("text")
    return found.assign(text=found["text"].str.replace(r"@\w+", " ", regex=True))


def airline_wide(rows: int = 1500, seed: int = 0) -> Loaded:
    """Sentiment (3 classes) and, of negative tweets only, the reason (10 classes): a task with gaps."""
    frame = _tweets().sample(rows, random_state=seed).reset_index(drop=True)
    targets = ["airline_sentiment", "negativereason"]
    return make(pd.concat([squeeze_texts(frame["text"], 32), frame[targets]], axis=1), targets, "multiclass")


def airline_long(per_airline: int = 250, seed: int = 0) -> Loaded:
    """Sentiment (3 classes), an airline a task."""
    frame = _tweets().groupby("airline").sample(per_airline, random_state=seed).reset_index(drop=True)
    own = frame[["airline", "airline_sentiment"]]
    table = pd.concat([squeeze_texts(frame["text"], 32), own], axis=1)
    return make(table, ["airline_sentiment"], "multiclass", task="airline")


_SOURCES: Final = {
    "amazon": "amazonReviewSnippets",
    "movies": "movieReviewSnippets",
    "news": "nytEditorialSnippets",
    "tweets": "tweets",
}


def vader(per_source: int = 400, seed: int = 0) -> Loaded:
    """How pleased a snippet sounds (-4 to 4, mean of 20 raters), a source of text a task."""
    parts = []
    for source, name in _SOURCES.items():
        path = data_folder() / "vader_4domains" / f"{name}_GroundTruth.txt"
        part = pd.read_csv(path, sep="\t", quoting=3, header=None, names=["id", "pleased", "text"])
        parts.append(part.dropna().sample(per_source, random_state=seed).assign(source=source))
    frame = pd.concat(parts, ignore_index=True)
    table = pd.concat([squeeze_texts(frame["text"], 32), frame[["source", "pleased"]]], axis=1)
    return make(table, ["pleased"], task="source")


def words(sentences: int = 120, least: int = 15, seed: int = 0) -> Loaded:
    """Part of speech and whether a word is (part of) a name, for words of English web sentences.

    Features are the word's letters and its neighbours'; a sentence's words stay together. A part of
    speech with fewer than ``least`` words in the sample is left without a label.
    """
    folder = data_folder() / "ud_ewt_pos_ner"
    tagged = list(_sentences(folder / "en_ewt-ud-dev.conllu"))
    named = list(_sentences(folder / "uner_en_ewt-ud-dev.iob2"))
    entity = {tuple(row[1] for row in rows): [row[2] for row in rows] for rows in named}
    both = [rows for rows in tagged if tuple(row[1] for row in rows) in entity and len(rows) > 3]
    lines = []
    for number in np.random.default_rng(seed).permutation(len(both))[:sentences]:
        rows = both[number]
        texts = tuple(row[1] for row in rows)
        for place, row in enumerate(rows):
            before, after = texts[place - 1] if place else "", (*texts, "")[place + 1]
            lines.append((number, place, texts[place], before, after, row[3], entity[texts][place] != "O"))
    names = ["sentence", "place", "word", "before", "after", "speech", "name"]
    frame = pd.DataFrame(lines, columns=names)
    letters = {"analyzer": "char_wb", "ngram_range": (1, 4), "min_df": 3}
    parts = [
        squeeze_texts(frame["word"], 18, prefix="word", **letters),
        squeeze_texts(frame["before"], 6, prefix="before", **letters),
        squeeze_texts(frame["after"], 6, prefix="after", **letters),
    ]
    word = frame["word"]
    shape = pd.DataFrame(
        {
            "place": frame["place"],
            "length": word.str.len(),
            "capital": word.str.match(r"[A-Z]").astype(int),
            "shouted": word.str.fullmatch(r"[A-Z]{2,}").astype(int),
            "digit": word.str.contains(re.compile(r"\d")).astype(int),
        }
    )
    common = frame.groupby("speech")["word"].transform("size") >= least
    labels = pd.DataFrame(
        {
            "speech": frame["speech"].where(common, None),
            "name": np.where(frame["name"], "yes", "no"),
            "sentence": frame["sentence"],
        }
    )
    kinds = {"speech": "multiclass", "name": "binary"}
    return make(pd.concat([*parts, shape, labels], axis=1), ["speech", "name"], kinds, group="sentence")


def _sentences(path: Path) -> Iterator[list[list[str]]]:
    """Sentences of a CoNLL-like file: rows of cells; ranges (``3-4``) and empty words (``3.1``) left out."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        rows: list[list[str]] = []
        for line in (*file, "\n"):
            cells = line.rstrip("\n").split("\t")
            if cells[0].isdigit():
                rows.append(cells)
            elif not line.strip() and rows:
                yield rows
                rows = []
