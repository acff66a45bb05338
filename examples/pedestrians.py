"""Pedestrians as boxes and as masks, from Penn-Fudan's 170 photographs: one network, or one for each?

python examples/pedestrians.py ../shared/data/penn_fudan       # or set SHAREWISE_DATA
"""

import os
import re
import sys
from pathlib import Path

import numpy as np
import sharewise as sw
from PIL import Image
from sharewise.tasks import Detection, Segmentation

BUDGET = "10min"
SIDE = 96
CORNERS = re.compile(r"\(Xmax, Ymax\) : \((\d+), (\d+)\) - \((\d+), (\d+)\)")


def folder() -> Path:
    """The data set's folder, from the command line or under SHAREWISE_DATA."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if "SHAREWISE_DATA" not in os.environ:
        sys.exit("name the folder of penn_fudan, or set SHAREWISE_DATA to the folder above it")
    return Path(os.environ["SHAREWISE_DATA"]) / "penn_fudan"


def main() -> None:
    root = folder()
    files = sorted((root / "resized_320" / "images").glob("*.jpg"))
    boxes, masks = [], []
    for file in files:
        people = Image.open(
            root / "original" / "PedMasks" / f"{file.stem}_mask.png"
        )  # of the unshrunk photograph
        size = Image.open(file).size
        told = (root / "original" / "Annotation" / f"{file.stem}.txt").read_text("latin-1")
        corners = np.array(CORNERS.findall(told), dtype=float) - [1, 1, 0, 0]  # the file counts pixels from 1
        corners *= np.tile(np.divide(size, people.size), 2)
        boxes.append(np.column_stack([corners, np.zeros(len(corners))]))  # of class 0
        masks.append((np.asarray(people.resize(size, Image.Resampling.NEAREST)) > 0).astype(np.uint8))
    tasks = {
        "boxes": (boxes, Detection(("pedestrian",))),
        "masks": (masks, Segmentation(("background", "pedestrian"))),
    }
    problem = sw.Problem.from_pictures(files, tasks, size=SIDE)
    study = sw.compare(problem, budget=BUDGET, families=["network"], out="runs/pedestrians")

    print(study.verdict)
    shown = ["strategy", "family", "task", "score", "size_bytes", "predict_ms_per_1000_rows"]
    print(study.table()[shown].to_string(index=False))
    study.report("report.html")
    print("report.html shows some photographs with what was found in them")


if __name__ == "__main__":
    main()
