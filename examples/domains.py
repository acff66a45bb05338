"""How pleased does it sound? Four sources of text, pooled or apart.

    python examples/domains.py ../shared/data/vader_4domains          # a folder with *_GroundTruth.txt
    python examples/domains.py ../shared/data/vader_4domains 2000     # labels of each source; 500 without

With few labels a source whose texts are of another sort can be worse off in the pool; the verdict says which.
"""

import os
import sys
from pathlib import Path

import pandas as pd
import sharewise as sw

SOURCES = {"amazon": "amazonReview", "movies": "movieReview", "news": "nytEditorial", "tweets": "tweets"}
BUDGET = "4min"


def folder() -> Path:
    """The data set's folder, from the command line or under SHAREWISE_DATA."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if "SHAREWISE_DATA" not in os.environ:
        sys.exit("name the folder of *_GroundTruth.txt, or set SHAREWISE_DATA to the folder above it")
    return Path(os.environ["SHAREWISE_DATA"]) / "vader_4domains"


def main() -> None:
    labels = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    parts = []
    for source, name in SOURCES.items():
        (path,) = folder().glob(f"{name}*_GroundTruth.txt")
        part = pd.read_csv(path, sep="\t", quoting=3, header=None, names=["id", "pleased", "text"]).dropna()
        parts.append(part.sample(labels, random_state=0).assign(source=source))
    snippets = pd.concat(parts, ignore_index=True)[["text", "source", "pleased"]]

    problem = sw.Problem.from_frame(snippets, targets=["pleased"], task="source")
    study = sw.compare(problem, budget=BUDGET)

    print(study.verdict)
    for task, served in study.verdict.per_task.items():
        print(f"{task}: {served['decision']}, served by {served['choice']['strategy']}")
    print(study.table().to_string(index=False))
    study.report("report.html")
    print("report.html holds the whole study")


if __name__ == "__main__":
    main()
