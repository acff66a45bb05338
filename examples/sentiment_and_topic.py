"""Sentiment and topic of tweets: one model for both, or one each?

    python examples/sentiment_and_topic.py ../shared/data/twitter_airline     # a folder with Tweets.csv

The reason of a complaint is labelled on negative tweets only, so the second task has gaps; nothing is to be done
about them. The handle at a tweet's head names the airline and is cut.
"""

import os
import sys
from pathlib import Path

import pandas as pd
import sharewise as sw

ROWS = 3000
BUDGET = "4min"


def folder() -> Path:
    """The data set's folder, from the command line or under SHAREWISE_DATA."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if "SHAREWISE_DATA" not in os.environ:
        sys.exit("name the folder of Tweets.csv, or set SHAREWISE_DATA to the folder above it")
    return Path(os.environ["SHAREWISE_DATA"]) / "twitter_airline"


def main() -> None:
    tweets = pd.read_csv(folder() / "Tweets.csv").drop_duplicates("text")
    tweets["text"] = tweets["text"].str.replace(r"@\w+", " ", regex=True)
    tweets = tweets.sample(ROWS, random_state=0)[["text", "airline_sentiment", "negativereason"]]

    problem = sw.Problem.from_frame(tweets, targets=["airline_sentiment", "negativereason"])
    study = sw.compare(problem, budget=BUDGET)

    print(study.verdict)
    for reason in study.verdict.because:
        print("-", reason)
    print(study.table().to_string(index=False))
    study.report("report.html")
    print("report.html holds the whole study")

    new = pd.DataFrame({"text": ["my bag is still in Denver", "best crew ever, thank you!"]})
    print(study.model.predict(new))


if __name__ == "__main__":
    main()
