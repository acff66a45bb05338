"""Tables made of pictures: principal components of pixels, the tasks as they stand in the archives.

Nothing to run; `tables.load` gives them by name. Needs Pillow.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tables_base import Loaded, data_folder, make
from tables_squeeze import squeeze_pixels


def _grey(source: Any, size: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """A picture file's grey values in 0 to 1, ``(height, width)``; ``size`` is width and height."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "pictures are read with Pillow, which is not installed: pip install pillow"
        ) from error
    with Image.open(source) as picture:
        grey = picture.convert("L")
        return np.asarray(grey if size is None else grey.resize(size), np.float64) / 255.0


def faces(strangers: bool = False) -> Loaded:
    """CMU's faces at 32 by 30 pixels: who, which way, in what mood, with sunglasses or not.

    Args:
        strangers: Keep the pictures of a person together, so that models meet people they never saw;
            who it is then is no task.
    """
    files = sorted((data_folder() / "cmu_faces").glob("*/*_4.pgm"))
    labels = pd.DataFrame([file.stem.split("_")[:4] for file in files])
    labels.columns = pd.Index(["person", "pose", "expression", "eyes"])
    table = pd.concat([squeeze_pixels([_grey(file) for file in files], 32), labels], axis=1)
    kinds = {"person": "multiclass", "pose": "multiclass", "expression": "multiclass", "eyes": "binary"}
    if not strangers:
        return make(table, list(kinds), kinds)
    del kinds["person"]
    return make(table, list(kinds), kinds, group="person")


def omniglot(characters: int = 4, seed: int = 0) -> Loaded:
    """Which of four characters of its alphabet a drawing shows: wide, each labelled for its alphabet only.

    Greek and Latin stand in both archives and are read once: eight alphabets, twenty writers.
    """
    random = np.random.default_rng(seed)
    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for number in (1, 2):
        path = data_folder() / "omniglot_small" / f"images_background_small{number}.zip"
        with zipfile.ZipFile(path) as archive:
            fresh: dict[str, dict[str, list[str]]] = {}
            for name in sorted(archive.namelist()):
                if name.endswith(".png"):
                    _, alphabet, character, _ = name.split("/")
                    fresh.setdefault(alphabet, {}).setdefault(character, []).append(name)
            for alphabet in sorted(set(fresh) - set(found)):
                chosen = random.permutation(sorted(fresh[alphabet]))[:characters]
                found[alphabet] = {
                    str(character): [
                        _grey(io.BytesIO(archive.read(name)), (16, 16)) for name in fresh[alphabet][character]
                    ]
                    for character in chosen
                }
    pictures = [p for own in found.values() for drawings in own.values() for p in drawings]
    labels = pd.DataFrame(
        [
            {alphabet: character}
            for alphabet, own in found.items()
            for character, drawings in own.items()
            for _ in drawings
        ]
    )
    return make(pd.concat([squeeze_pixels(pictures, 32), labels], axis=1), list(labels), "multiclass")


_BOX = re.compile(r"\(Xmin, Ymin\) - \(Xmax, Ymax\) : \((\d+), (\d+)\) - \((\d+), (\d+)\)")
_SIZE = re.compile(r"Image size \(X x Y x C\) : (\d+) x (\d+)")


def pedestrians() -> Loaded:
    """Penn-Fudan's 170 street scenes: how many walk there, how tall and how wide the tallest stands, and where.

    Lengths and places are shares of the picture's height and width. Features are the components of grey
    values and of the strength of edges, each picture squeezed to 24 by 24, and its aspect.
    """
    folder = data_folder() / "penn_fudan"
    lines, pixels = [], []
    for file in sorted((folder / "original" / "Annotation").glob("*.txt")):
        text = file.read_text()
        size = _SIZE.search(text)
        if size is None:
            raise ValueError(f"{file} must state its image's size.")
        width, height = int(size[1]), int(size[2])
        boxes = np.array([[int(value) for value in box] for box in _BOX.findall(text)], np.float64)
        boxes /= [width, height, width, height]
        tallest = boxes[np.argmax(boxes[:, 3] - boxes[:, 1])]
        lines.append(
            {
                "people": float(len(boxes)),
                "tall": tallest[3] - tallest[1],
                "wide": tallest[2] - tallest[0],
                "across": (tallest[0] + tallest[2]) / 2,
                "aspect": width / height,
            }
        )
        grey = _grey(folder / "resized_320" / "images" / f"{file.stem}.jpg", (24, 24))
        down, across = np.gradient(grey)
        pixels.append(np.stack([grey, 2.0 * np.hypot(down, across)]))
    table = pd.concat([squeeze_pixels(pixels, 32), pd.DataFrame(lines)], axis=1)
    return make(table, ["people", "tall", "wide", "across"])
