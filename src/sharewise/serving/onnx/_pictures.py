"""Frozen features of pictures as number columns of a graph."""

from __future__ import annotations

from dataclasses import replace

import torch

from sharewise.families.pictures._frozen_map import PictureFeatures
from sharewise.serving._picture_modules import Directions
from sharewise.serving._program_trace import EXAMPLES
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._module import emit_module
from sharewise.serving.onnx._modules_of import tensor_of
from sharewise.serving.onnx._rows import Rows


def features(graph: Graph, of: PictureFeatures, rows: Rows, shape: tuple[int, ...]) -> Rows:
    """These rows with a number column a direction in the pictures' place."""
    module = Directions(of).eval()
    examples = [torch.zeros((EXAMPLES, *shape), dtype=torch.uint8)]
    (scores,) = emit_module(graph, module, examples, [tensor_of(rows)])
    names = (None,) * of.directions.shape[1]
    return replace(rows, numbers=(scores,), names=names, tensors=())
