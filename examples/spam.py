"""Spam: the linear model beside networks, in score, size and latency.

    python examples/spam.py ../shared/data/sms_spam       # a folder with SMSSpamCollection; or set SHAREWISE_DATA

A study compares ways to serve at least two tasks, so each message is asked two things: is it spam, and does a long
number stand in it, to be dialled? Read the rows of ``separate``: they are what a single task would be served by.
"""

import os
import sys
from pathlib import Path

import pandas as pd
import sharewise as sw

BUDGET = "3min"


def folder() -> Path:
    """The data set's folder, from the command line or under SHAREWISE_DATA."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if "SHAREWISE_DATA" not in os.environ:
        sys.exit("name the folder of SMSSpamCollection, or set SHAREWISE_DATA to the folder above it")
    return Path(os.environ["SHAREWISE_DATA"]) / "sms_spam"


def main() -> None:
    path = folder() / "SMSSpamCollection"
    messages = pd.read_csv(path, sep="\t", quoting=3, header=None, names=["spam", "text"]).drop_duplicates()
    messages["number"] = messages["text"].str.contains(r"\d{5,}").map({True: "yes", False: "no"})

    problem = sw.Problem.from_frame(messages, targets=["spam", "number"])
    study = sw.compare(problem, budget=BUDGET)

    print(study.verdict)
    table = study.table().set_index(["strategy", "family"])
    costs = table.loc[table["task"] == "(all)", ["size_bytes", "predict_ms_per_1000_rows"]]
    print(costs.assign(spam_log_loss=table.loc[table["task"] == "spam", "score"]).to_string())
    study.report("report.html")
    print("report.html holds the whole study")

    new = pd.DataFrame({"text": ["Free entry! Text WIN to 80086 now", "shall we meet at six?"]})
    print(study.model.predict(new))


if __name__ == "__main__":
    main()
