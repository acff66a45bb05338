"""Modules as programs of PyTorch's own exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError

EXAMPLES = 3
"""Rows of the example that a module is traced with; 0 and 1 would be taken for what they are."""


def traced(
    module: nn.Module, examples: Sequence[Tensor], *, fixed: Sequence[Tensor] = ()
) -> torch.export.ExportedProgram:
    """A module as a program whose number of rows is open.

    Args:
        module: In evaluation mode.
        examples: Inputs of `EXAMPLES` rows.
        fixed: Further inputs, whose sizes stay.

    Raises:
        OptionError: It does what depends on the numbers that it reads.
    """
    rows = torch.export.Dim("n", min=1)
    shapes: tuple[Any, ...] = (*({0: rows} for _ in examples), *({} for _ in fixed))
    if any(one.kind is one.VAR_POSITIONAL for one in signature(module.forward).parameters.values()):
        shapes = (shapes,)  # inputs that have no names of their own are one
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(module, (*examples, *fixed), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # whatever a user's own module raises when its tensors hold no numbers
        raise OptionError(
            "a network is exported by following its operations once; this one cannot be followed "
            f"({first_line(error)}). Write its forward without choices that depend on the numbers it reads."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without PyTorch's notes to its own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(error: BaseException) -> str:
    """Of its message, shortened."""
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__
