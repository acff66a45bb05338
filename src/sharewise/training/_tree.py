"""Nested states as flat tensors and plain JSON, and back: nothing is pickled, so nothing is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharewise.errors import StorageError

PLAIN = (bool, int, float, str, type(None))


def map_tensors(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same tree of dicts, lists and tuples with every tensor changed; anything else stays."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: map_tensors(value, change) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_tensors(value, change) for value in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(map_tensors(value, change) for value in tree)
    return tree


def flatten(tree: Any, tensors: dict[str, Tensor], path: str = "state") -> Any:
    """A form of the tree that JSON can hold; its tensors and arrays are put into ``tensors``, by path.

    Raises:
        StorageError: Something else than dicts, lists, tuples, tensors, arrays, numbers, strings and None.
    """
    if isinstance(tree, Tensor | np.ndarray):
        kind = "tensor" if isinstance(tree, Tensor) else "array"
        # A copy of its own: tied weights share memory, which safetensors refuses.
        tensors[path] = torch.as_tensor(tree).detach().to("cpu", copy=True).contiguous()
        return {kind: path}
    if isinstance(tree, np.generic):
        return tree.item()
    if isinstance(tree, Mapping):
        pairs = [
            [flatten(key, tensors, path), flatten(value, tensors, f"{path}/{place}")]
            for place, (key, value) in enumerate(tree.items())
        ]
        return {"map": pairs}
    if isinstance(tree, list | tuple):
        parts = [flatten(value, tensors, f"{path}/{place}") for place, value in enumerate(tree)]
        return {"list" if isinstance(tree, list) else "tuple": parts}
    if isinstance(tree, PLAIN):
        return tree
    raise StorageError(
        f"a checkpoint holds tensors, numbers, text and collections of them; got {type(tree).__name__} "
        "in the state of the optimizer, schedule or balancer. Use one with a plain state, or no checkpoint."
    )


def unflatten(form: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that `flatten` was given; damaged forms raise KeyError or TypeError."""
    if not isinstance(form, dict):
        return form
    ((kind, value),) = form.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "array":
        return tensors[value].numpy()
    if kind == "map":
        return {unflatten(key, tensors): unflatten(item, tensors) for key, item in value}
    parts = [unflatten(item, tensors) for item in value]
    return tuple(parts) if kind == "tuple" else parts
