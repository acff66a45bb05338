"""Giving a model that was read from a file the user's own module again.

A fitted model is plain data: dataclasses that hold models that hold arrays. One that computes with the user's
encoder stores its weights only, has the attribute ``needs_encoder`` (true as long as the module is missing) and the
method ``with_encoder(encoder)``, which returns the model with a *copy* of that module in which its weights are.
Models made of others, blends and chains say nothing of it: `equipped` looks into them. Adapters to new tasks and the
parts that they make are held to the same.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class TakesEncoder(Protocol):
    """A model, adapter or part that computes with the user's module."""

    @property
    def needs_encoder(self) -> bool:
        """Whether the module is missing, as after loading."""
        ...

    def with_encoder(self, encoder: object) -> object:
        """This model with a copy of ``encoder``, whose weights become those of the model."""
        ...


def needs_encoder(model: object) -> bool:
    """Whether a model, or one inside it, lacks the user's module."""
    if isinstance(model, TakesEncoder):
        return model.needs_encoder
    return any(map(needs_encoder, _parts(model)))


def equipped(model: T, encoder: object) -> T:
    """``model`` with the encoder wherever one is taken; what takes none stays the same object.

    What several models inside share, they share still.
    """
    found: T = _equipped(model, encoder, {})
    return found


def _equipped(model: Any, encoder: object, done: dict[int, Any]) -> Any:
    if isinstance(model, TakesEncoder):
        if id(model) not in done:
            done[id(model)] = model.with_encoder(encoder)
        return done[id(model)]
    if isinstance(model, tuple | list):
        return type(model)([_equipped(part, encoder, done) for part in model])
    if isinstance(model, dict):
        return {key: _equipped(part, encoder, done) for key, part in model.items()}
    if is_dataclass(model) and not isinstance(model, type):
        parts = {f.name: getattr(model, f.name) for f in fields(model) if f.init}
        changed = {name: _equipped(part, encoder, done) for name, part in parts.items() if _takes(part)}
        return replace(model, **changed) if changed else model
    return model


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
