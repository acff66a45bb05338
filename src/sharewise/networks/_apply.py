"""Calling the user's modules: what does not fit is said in one sentence instead of torch's traceback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sharewise.errors import OptionError, SharewiseError


def apply(module: Callable[[Any], Any], x: Any, what: str) -> Tensor:
    """``module(x)``, for a module or anything called like one.

    Args:
        what: How a message calls the module ("the head of task 'a'").

    Raises:
        OptionError: The module does not take ``x``, or gives no tensor with rows first.
    """
    try:
        out = module(x)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, SharewiseError):
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise OptionError(
            f"{what} must take its inputs; given {shape_of(x)} it failed with: {reason}. "
            "Check the widths on both sides."
        ) from error
    if not isinstance(out, Tensor) or out.ndim == 0:
        raise OptionError(
            f"{what} must give one tensor with rows first; got {shape_of(out)}. Wrap it in a module that does."
        )
    return out


def shape_of(x: Any) -> str:
    """In words, for messages."""
    if isinstance(x, Tensor):
        return f"a tensor of shape {tuple(x.shape)}"
    if isinstance(x, Mapping):
        return f"a dict of {', '.join(repr(key) for key in x)}"
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    return f"a {type(x).__name__}"
