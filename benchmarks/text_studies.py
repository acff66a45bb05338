"""Studies on real texts: spam, airline tweets, snippets from four sources.

    python benchmarks/text_studies.py spam                   # one study, its table and its verdict
    python benchmarks/text_studies.py domains --rows 500     # labels a domain
    python benchmarks/text_studies.py airline --budget 4min --seeds 3

Spam is one task, and a study compares at least two. So the messages stand twice: is it spam, and does it ask for
something to be dialled or sent (a number of five digits or more in it)? The second label is read off the text itself;
it is there for the study to run, and what is said of spam is what the families reach at that task.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import sharewise as sw
from rich.console import Console

DATA = Path(os.environ.get("SHAREWISE_DATA") or Path(__file__).parents[2] / "shared" / "data")
SOURCES = {
    "amazon": "amazonReviewSnippets",
    "movies": "movieReviewSnippets",
    "news": "nytEditorialSnippets",
    "tweets": "tweets",
}


def spam(rows: int, seed: int = 0) -> sw.Problem:
    """Messages: spam or not, and whether a long number stands in them."""
    path = DATA / "sms_spam" / "SMSSpamCollection"
    found = pd.read_csv(path, sep="\t", quoting=3, header=None, names=["spam", "text"]).drop_duplicates()
    frame = found.sample(min(rows, len(found)), random_state=seed).reset_index(drop=True)
    frame["number"] = frame["text"].str.contains(r"\d{5,}").map({True: "yes", False: "no"})
    return sw.Problem.from_frame(frame, targets=["spam", "number"])


def airline(rows: int, seed: int = 0) -> sw.Problem:
    """Tweets to airlines: sentiment, and the reason where it is negative; the handle, which names the airline, is cut."""
    found = pd.read_csv(DATA / "twitter_airline" / "Tweets.csv").drop_duplicates("text")
    found["text"] = found["text"].str.replace(r"@\w+", " ", regex=True)
    frame = found.sample(min(rows, len(found)), random_state=seed).reset_index(drop=True)
    return sw.Problem.from_frame(
        frame[["text", "airline_sentiment", "negativereason"]],
        targets=["airline_sentiment", "negativereason"],
    )


def domains(rows: int, seed: int = 0) -> sw.Problem:
    """How pleased a snippet sounds (-4 to 4); four sources, ``rows`` of each, a task each."""
    parts = []
    for source, name in SOURCES.items():
        path = DATA / "vader_4domains" / f"{name}_GroundTruth.txt"
        part = pd.read_csv(path, sep="\t", quoting=3, header=None, names=["id", "pleased", "text"]).dropna()
        parts.append(part.sample(min(rows, len(part)), random_state=seed).assign(source=source))
    frame = pd.concat(parts, ignore_index=True)[["text", "source", "pleased"]]
    return sw.Problem.from_frame(frame, targets=["pleased"], task="source")


LOAD: dict[str, Callable[..., sw.Problem]] = {"spam": spam, "airline": airline, "domains": domains}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=LOAD)
    parser.add_argument("--rows", type=int, default=2000, help="texts; of domains each")
    parser.add_argument("--budget", default="3min")
    parser.add_argument("--families", default="linear,trees,network")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the studies in folders of this one")
    given = parser.parse_args()
    console = Console(width=180)
    for seed in range(given.seeds):
        study = sw.compare(
            LOAD[given.study](given.rows, seed),
            budget=given.budget,
            families=given.families.split(","),
            seed=seed,
            workers=1,
            out=None if given.out is None else given.out / f"{given.study}-{given.rows}-{seed}",
            quiet=True,
        )
        console.print(f"[bold]{given.study}[/], {given.rows} rows, seed {seed}")
        print(study.table().to_string(index=False))
        for note in study.notes:
            console.print(f"({note})")
        console.print(str(study.verdict))
        for reason in study.verdict.because:
            console.print(f"- {reason}")


if __name__ == "__main__":
    main()
