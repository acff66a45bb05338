"""Four things at once from a photograph of a face: who, which way, what mood, what eyes. One network, or one for each?

    python examples/faces.py ../shared/data/cmu_faces        # CMU's faces; or set SHAREWISE_DATA

A file is named after what it shows, as in an2i_left_angry_open_2.pgm. Everybody is on both sides of every split here,
since who an unseen person is cannot be asked; for unseen persons see face_verification.py.
"""

import os
import sys
from pathlib import Path

import sharewise as sw

BUDGET = "10min"
ATTRIBUTES = ("who", "pose", "mood", "eyes")


def folder() -> Path:
    """The data set's folder, from the command line or under SHAREWISE_DATA."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if "SHAREWISE_DATA" not in os.environ:
        sys.exit("name the folder of cmu_faces, or set SHAREWISE_DATA to the folder above it")
    return Path(os.environ["SHAREWISE_DATA"]) / "cmu_faces"


def main() -> None:
    files = sorted(folder().glob("*/*_4.pgm"))  # a quarter of the full size: 32 × 30 pixels
    said = [file.stem.split("_") for file in files]
    tasks = {name: ([one[place] for one in said], "multiclass") for place, name in enumerate(ATTRIBUTES)}
    tasks["eyes"] = (tasks["eyes"][0], "binary")

    problem = sw.Problem.from_pictures(files, tasks)
    study = sw.compare(problem, budget=BUDGET, out="runs/faces")

    print(study.verdict)
    scores = study.table().pivot_table(
        index=["strategy", "family"], columns="task", values="score", sort=False
    )
    print(scores.round(3).to_string())  # log loss of each attribute, less is better; (all) as in the verdict
    study.report("report.html")
    print("report.html holds the whole study")
    print(study.model.predict(files[:3]))


if __name__ == "__main__":
    main()
