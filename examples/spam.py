"""Spam: one task, so nothing to share. The linear model, trees or a network? The cheap one, where it keeps up.

    python examples/spam.py ../shared/data/sms_spam       # a folder with SMSSpamCollection; or set SHAREWISE_DATA

A single task is compared with ``strategies=["separate"]``: the verdict is then between families, and the one that
predicts fastest serves if it loses no more than what would matter.
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

    problem = sw.Problem.from_frame(messages, targets=["spam"], metric="accuracy")
    study = sw.compare(problem, strategies=["separate"], budget=BUDGET, out="runs/spam")

    print(study.verdict)
    table = study.table().query("task == '(all)'").set_index(["strategy", "family"])
    scores = study.table().query("task == 'spam'").set_index(["strategy", "family"])["score"]
    shown = table[["size_bytes", "predict_ms_one_row", "predict_ms_per_1000_rows"]].assign(accuracy=scores)
    print(shown.to_string())
    study.report("report.html")
    print("report.html holds the whole study")

    new = pd.DataFrame({"text": ["Free entry! Text WIN to 80086 now", "shall we meet at six?"]})
    print(study.model.predict(new))


if __name__ == "__main__":
    main()
