"""Pedestrians as boxes and as masks: one network with two heads beside two networks, on Penn-Fudan's 170 photographs.

    nice python benchmarks/penn_fudan.py                 # EfficientNet-Lite0, two and a half processor minutes a side
    nice python benchmarks/penn_fudan.py --seconds 20    # a look
    nice python benchmarks/penn_fudan.py --epochs 8 --seeds 3    # equal epochs, three seeds
    nice python benchmarks/penn_fudan.py --backbone resnet   # from scratch

Both sides get the same processor time for training: the shared network all of it, each network of its own a half. With
--epochs every network gets the same epochs instead, so that the two sides make as many steps a task. Nothing is tuned on
the test photographs: settings are fixed beforehand, and the weights are those of the last step. Every seed has another
split and other first weights; intervals (95%) are over test photographs, of all seeds together.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sharewise.modalities.images import (
    Decoding,
    FeaturePyramid,
    Pictures,
    backbone,
    decode,
    decode_mask,
    recoloured,
)
from sharewise.tasks import Boxes, Detection, Segmentation
from sharewise.tasks.dense import BoxHead, MaskHead, Places, assign, box_loss, mask_loss, to_size
from sharewise.tasks.dense import decode as decode_boxes
from torch import Tensor, nn

from tables_base import data_folder

SIDE = 128
STRIDES = (8, 16, 32)
WIDTH = 48
BATCH = 8
TEST = 0.2
RATES = {"backbone": 3e-4, "new": 1e-3}
DETECTION = Detection(("pedestrian",))
SEGMENTATION = Segmentation(("background", "pedestrian"))
SIZE = (SIDE, SIDE)
SIDES = {"one": (("boxes", "masks"),), "two": (("boxes",), ("masks",))}
"""Networks of each side, each with its tasks."""

Found = dict[str, tuple[list[Boxes], list[np.ndarray]]]
"""Boxes and masks of the test photographs, by side."""


@dataclass(frozen=True)
class Photographs:
    """Pictures of SIDE × SIDE pixels with a margin, their boxes there, and masks (N, SIDE, SIDE), 255 in the margin."""

    pictures: Pictures
    boxes: tuple[Boxes, ...]
    masks: np.ndarray


@dataclass(frozen=True)
class Budget:
    """How long a network is trained: so many epochs, or else processor seconds."""

    seconds: float
    epochs: float | None = None

    def spent(self, began: float, steps: int, rows: int) -> float:
        """The share of it, 1 at the end."""
        if self.epochs is not None:
            return steps * BATCH / (rows * self.epochs)
        return (time.process_time() - began) / self.seconds


class Network(nn.Module):
    """A pyramid over a backbone, and a head for each task; `forward` gives the outputs by task."""

    def __init__(self, kind: str, tasks: tuple[str, ...]) -> None:
        super().__init__()
        body = backbone(kind)
        self.pyramid = FeaturePyramid(body, WIDTH, levels=len(STRIDES))
        makers = {"boxes": lambda: BoxHead(WIDTH, len(STRIDES), 1), "masks": lambda: MaskHead(WIDTH, 2)}
        self.heads = nn.ModuleDict({task: makers[task]() for task in tasks})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.pyramid(x)
        return {task: head(maps) for task, head in self.heads.items()}

    def train(self, mode: bool = True) -> Network:
        """Batch statistics stay what pretraining found: batches are small."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


def load() -> Photographs:
    """All photographs, their boxes from the annotations and their masks."""
    root = data_folder() / "penn_fudan"
    files = sorted((root / "resized_320" / "images").glob("*.jpg"))
    if not files:
        raise FileNotFoundError(f"no photographs under {root}; SHAREWISE_DATA names another folder")
    decoding = Decoding(SIDE, SIDE, fit="pad", background=128)
    boxes, masks = [], []
    for file in files:
        size, corners = read_annotation(root / "original" / "Annotation" / f"{file.stem}.txt")
        placed = decoding.place(*size).boxes(corners).clip(0, SIDE)
        boxes.append(Boxes(placed, np.zeros(len(placed), np.int64), SIZE))
        DETECTION.check(boxes[-1], file.name)
        mask = decode_mask(root / "original" / "PedMasks" / f"{file.stem}_mask.png", decoding, size)
        masks.append(np.where(mask == 255, 255, mask > 0).astype(np.uint8))
        SEGMENTATION.check(masks[-1], file.name, SIZE)
    return Photographs(decode(files, decoding), tuple(boxes), np.stack(masks))


def read_annotation(path: Path) -> tuple[tuple[int, int], np.ndarray]:
    """Width and height of the original, and its boxes (n, 4); the file counts pixels from 1."""
    text = path.read_text("latin-1")
    width, height = map(int, re.findall(r"Image size[^:]*: (\d+) x (\d+)", text)[0])
    found = re.findall(r"\(Xmax, Ymax\) : \((\d+), (\d+)\) - \((\d+), (\d+)\)", text)
    return (width, height), np.array(found, dtype=np.float64) - [1, 1, 0, 0]


def train(network: Network, data: Photographs, rows: np.ndarray, budget: Budget, seed: int) -> int:
    """Trains until the budget is spent; gives the steps made."""
    generator = torch.Generator().manual_seed(seed)
    places = Places.of(SIDE, SIDE, STRIDES)
    body = set(network.pyramid.backbone.parameters())
    groups = [
        {"params": list(body), "lr": RATES["backbone"]},
        {"params": [p for p in network.parameters() if p not in body], "lr": RATES["new"]},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    network.train()
    began, steps, order = time.process_time(), 0, torch.zeros(0, dtype=torch.long)
    while (spent := budget.spent(began, steps, len(rows))) < 1:
        if len(order) < BATCH:
            order = torch.randperm(len(rows), generator=generator)
        taken, order = rows[order[:BATCH].numpy()], order[BATCH:]
        for group, rate in zip(optimizer.param_groups, RATES.values(), strict=True):
            group["lr"] = rate * min(1, (steps + 1) / 20) * (1 + np.cos(np.pi * spent)) / 2
        x, boxes, masks = batch_of(data, taken, generator)
        outputs = network(x)
        losses = []
        if "boxes" in outputs:
            targets = [assign(places, each, torch.zeros(len(each), dtype=torch.long)) for each in boxes]
            losses.append(box_loss(outputs["boxes"], places, targets))
        if "masks" in outputs:
            losses.append(mask_loss(outputs["masks"], masks, dice=0.5))
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        steps += 1
    return steps


def batch_of(
    data: Photographs, rows: np.ndarray, generator: torch.Generator
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Pictures, boxes and masks of these rows, half of them mirrored, their colours changed a little."""
    x, masks = data.pictures.batch(rows), torch.from_numpy(data.masks[rows])
    boxes = [torch.from_numpy(data.boxes[row].corners).float() for row in rows]
    for place in (torch.rand(len(rows), generator=generator) < 0.5).nonzero().flatten().tolist():
        x[place], masks[place] = x[place].flip(2), masks[place].flip(1)
        boxes[place] = torch.stack([SIDE - boxes[place][:, 2], boxes[place][:, 1],
                                    SIDE - boxes[place][:, 0], boxes[place][:, 3]], 1)  # fmt: skip
    return recoloured(x, 0.3, generator), boxes, masks


@torch.inference_mode()
def predict(network: Network, x: Tensor) -> tuple[list[Boxes], list[np.ndarray]]:
    """Boxes and masks of pictures, of the tasks that the network has."""
    outputs = network(x)
    boxes = decode_boxes(outputs["boxes"], Places.of(SIDE, SIDE, STRIDES), SIZE) if "boxes" in outputs else []
    masks = list(to_size(outputs["masks"], SIDE, SIDE).argmax(1).numpy()) if "masks" in outputs else []
    return boxes, masks


def latency(networks: list[Network], x: Tensor) -> float:
    """Median milliseconds for one picture through all of these, decoded."""
    spent = []
    for row in range(40):
        began = time.perf_counter()
        for network in networks:
            predict(network, x[row % len(x)][None])
        spent.append(1000 * (time.perf_counter() - began))
    return float(np.median(spent[5:]))


def measure(found: Found, data: Photographs, test: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """By metric and side the scores (1 + draws,): of the test photographs, then of such drawn from them."""
    measured: dict[str, dict[str, np.ndarray]] = {}
    for kind, truths, part, metrics in (
        (DETECTION, [data.boxes[row] for row in test], 0, ("map", "map_50")),
        (SEGMENTATION, [data.masks[row] for row in test], 1, ("mean_iou",)),
    ):
        for side in found:
            scores = kind.scores(truths, found[side][part])
            drawn = kind.resampled(truths, found[side][part])
            for metric in metrics:
                both = np.append(scores[metric], drawn[metric])
                measured.setdefault(metric, {})[side] = both
    return measured


def show(seeds: list[dict[str, dict[str, np.ndarray]]]) -> None:
    """Means over seeds, with the intervals of all their draws together."""
    for metric in seeds[0]:
        sides = {side: np.stack([each[metric][side] for each in seeds]) for side in ("one", "two")}
        told = [
            f"{side} {values[:, 0].mean():.3f} ({interval(values[:, 1:])})" for side, values in sides.items()
        ]
        apart = sides["one"] - sides["two"]
        print(
            f"{metric:>9}: {', '.join(told)}; one less two {apart[:, 0].mean():+.3f} ({interval(apart[:, 1:])}); "
            f"seed by seed {', '.join(f'{value:+.3f}' for value in apart[:, 0])}"
        )


def interval(values: np.ndarray) -> str:
    low, high = np.nanquantile(values, [0.025, 0.975])
    return f"{low:.3f} to {high:.3f}"


def run(
    data: Photographs, backbone_name: str, budgets: Mapping[str, Budget], seed: int
) -> tuple[Found, np.ndarray]:
    """Trains both sides on one split; tells what they cost."""
    order = np.random.default_rng(seed).permutation(len(data.pictures))
    cut = round(TEST * len(order))
    test, rows = np.sort(order[:cut]), np.sort(order[cut:])
    x = data.pictures.batch(test)
    found: Found = {}
    for side, parts in SIDES.items():
        networks = []
        for tasks in parts:
            torch.manual_seed(seed)
            network = Network(backbone_name, tasks)
            steps = train(network, data, rows, budgets[side], seed)
            networks.append(network.eval())
            epochs = steps * BATCH / len(rows)
            print(f"  seed {seed}, {' + '.join(tasks)}: {steps} steps, {epochs:.1f} epochs", flush=True)
        both = [predict(network, x) for network in networks]
        found[side] = both[0][0], both[-1][1]
        count = sum(p.numel() for network in networks for p in network.parameters())
        print(
            f"  {side}: {count:,} parameters ({4 * count / 1e6:.1f} MB), {latency(networks, x):.1f} ms a photograph",
            flush=True,
        )
    return found, test


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=150, help="processor seconds of training a side")
    parser.add_argument("--epochs", type=float, help="of every network, instead of seconds")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    data = load()
    print(f"{len(data.pictures)} photographs read in {time.process_time() - began:.1f} processor s")
    budgets = {side: Budget(given.seconds / len(parts), given.epochs) for side, parts in SIDES.items()}
    measured = []
    for seed in range(given.seed, given.seed + given.seeds):
        found, test = run(data, given.backbone, budgets, seed)
        measured.append(measure(found, data, test))
    show(measured)
    print(f"{time.process_time() - began:.0f} processor s in all")


if __name__ == "__main__":
    main()
