"""Giving a model that was read from a file the user's own module again.

A fitted model is plain data: dataclasses that hold models that hold arrays. One that computes with the user's
encoder stores its weights only, has the attribute ``needs_encoder`` (true as long as the module is missing) and the
method ``with_encoder(encoder)``, which returns the model with a *copy* of that module in which its weights are.
Models made of others, blends and chains say nothing of it: `equipped` looks into them.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from sharewise.families import Model

T = TypeVar("T")


@runtime_checkable
class TakesEncoder(Protocol):
    """A model that computes with the user's module."""

    @property
    def needs_encoder(self) -> bool:
        """Whether the module is missing, as after loading."""
        ...

    def with_encoder(self, encoder: object) -> Model:
        """This model with a copy of ``encoder``, whose weights become those of the model."""
        ...


def needs_encoder(model: object) -> bool:
    """Whether a model, or one inside it, lacks the user's module."""
    if isinstance(model, TakesEncoder):
        return model.needs_encoder
    return any(map(needs_encoder, _parts(model)))


def equipped(model: T, encoder: object) -> T:
    """``model`` with the encoder wherever one is taken; what takes none stays the same object."""
    found: Any = model
    if isinstance(model, TakesEncoder):
        found = model.with_encoder(encoder)
    elif isinstance(model, tuple | list):
        found = type(model)([equipped(part, encoder) for part in model])
    elif isinstance(model, dict):
        found = {key: equipped(part, encoder) for key, part in model.items()}
    elif is_dataclass(model) and not isinstance(model, type):
        parts = {f.name: getattr(model, f.name) for f in fields(model) if f.init}
        changed = {name: equipped(part, encoder) for name, part in parts.items() if _takes(part)}
        found = replace(model, **changed) if changed else model
    result: T = found
    return result


def _takes(model: object) -> bool:
    return isinstance(model, TakesEncoder) or any(map(_takes, _parts(model)))


def _parts(model: object) -> list[Any]:
    if isinstance(model, tuple | list):
        return list(model)
    if isinstance(model, dict):
        return list(model.values())
    if is_dataclass(model) and not isinstance(model, type):
        return [getattr(model, f.name) for f in fields(model) if f.init]
    return []
