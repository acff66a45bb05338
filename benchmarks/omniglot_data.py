"""Omniglot's two small archives as pictures, split by alphabet; and the episodes drawn from them.

Nothing to run; `omniglot.py` uses it. Needs Pillow.

Greek and Latin stand in both archives, so they are for training only. Symbols: ``N`` pictures.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from sharewise.meta import ClassPool, Episodes, check_apart
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from tables_base import data_folder

SIDE: Final = 28
"""Pixels; the archives' 105 are averaged down."""
BOTH: Final = ("Greek", "Latin")
WARP: Final = (0.15, 0.1)
"""Of a training picture at random: each number of the 2×2 map around the identity, and the shift as a share of half a
side."""


@dataclass(frozen=True)
class Pools:
    """Training characters in four rotations, each a class of its own; characters to judge on, upright."""

    train: ClassPool
    test: ClassPool


def load(validate: str | None = None) -> Pools:
    """All alphabets of the first archive to train on, those of the second alone to test on.

    Args:
        validate: An alphabet of the first archive to judge on in the place of the test alphabets, and not to
            train on: settings are chosen so.

    Raises:
        FileNotFoundError: The archives are not in the data folder.
        ImportError: Pillow is not installed.
    """
    train, first = _read("images_background_small1.zip", ())
    if validate is None:
        test, second = _read("images_background_small2.zip", BOTH)
    else:
        held = np.array([name.split("/")[0] == validate for name in first])
        test, second = train[torch.from_numpy(held)], first[held]
        train, first = train[torch.from_numpy(~held)], first[~held]
    turned = torch.cat([torch.rot90(train, turns, (2, 3)) for turns in range(4)])
    codes = np.unique(first, return_inverse=True)[1]
    labels = np.concatenate([codes + turns * (codes.max() + 1) for turns in range(4)])
    pools = Pools(ClassPool(turned, labels), ClassPool(test, np.unique(second, return_inverse=True)[1]))
    check_apart(pools.train, pools.test)
    return pools


def judged_episodes(pool: ClassPool, shots: int, episodes: int, *, batch: int = 2) -> list[Episodes]:
    """Five ways, fifteen query pictures a class; the same for every method."""
    rng = np.random.default_rng(shots)
    sizes = [batch] * (episodes // batch) + [episodes % batch] * (episodes % batch > 0)
    return [pool.draw(rng, ways=5, shots=shots, queries=15, episodes=size) for size in sizes]


def warped(x: Tensor, rng: np.random.Generator, *, alike: bool = False) -> Tensor:
    """Pictures (N, 1, H, W), each turned, stretched and shifted a little, by itself or all alike."""
    bound = np.array([[WARP[0], WARP[0], WARP[1]]] * 2)
    drawn = rng.uniform(-1, 1, (1 if alike else len(x), 2, 3))
    maps = np.eye(2, 3) + np.broadcast_to(drawn * bound, (len(x), 2, 3))
    grid = affine_grid(torch.from_numpy(maps).to(x.dtype), list(x.shape), align_corners=False)
    return grid_sample(x, grid, align_corners=False)


def embedded(pool: ClassPool, encoder: nn.Module, views: int) -> ClassPool:
    """The pool with features in the place of pictures: of each picture by itself, the mean over it as it is and warped
    in `views` − 1 ways, the same for all pictures."""
    encoder.eval()
    x = pool.inputs
    with torch.no_grad():
        total = _in_parts(encoder, x)
        for view in range(1, views):
            total = total + _in_parts(encoder, warped(x, np.random.default_rng(view), alike=True))
    return ClassPool(total / views, pool.labels)


def _in_parts(encoder: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([encoder(part) for part in x.split(100)])


def _read(archive: str, without: tuple[str, ...]) -> tuple[Tensor, np.ndarray]:
    """Pictures (N, 1, SIDE, SIDE), strokes 1 on 0; and each one's character, ``alphabet/character``."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "pictures are read with Pillow, which is not installed: pip install pillow"
        ) from error
    path = data_folder() / "omniglot_small" / archive
    if not path.exists():
        raise FileNotFoundError(f"no {path}; SHAREWISE_DATA names another folder")
    pictures, names = [], []
    with zipfile.ZipFile(path) as stored:
        for file in sorted(stored.namelist()):
            _, *parts = file.split("/")
            if not file.endswith(".png") or parts[0] in without:
                continue
            with Image.open(io.BytesIO(stored.read(file))) as picture:
                small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
                pictures.append(1 - np.asarray(small, np.float32) / 255)
            names.append("/".join(parts[:2]))
    return torch.from_numpy(np.stack(pictures)[:, None]), np.array(names)
