"""How much of what clients send is held at once, whoever sent it: many large bodies would fill the memory together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sharewise.serving.http._limits import Limits
from sharewise.serving.http._refusal import Refusal

T = TypeVar("T")
_LARGE = 65_536
"""Bytes of a body from which on work on it takes long enough for others to notice."""


class Share:
    """Final. One request's part of the room.

    Attributes:
        size: Bytes that it holds.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def take(self, size: int) -> None:
        """Hold further bytes.

        Raises:
            Refusal: 503; all requests together would hold too many.
        """
        self._room.take(size)
        self.size += size

    async def beside(self, work: Callable[[], T]) -> T:
        """What ``work`` returns; of a large request it is done beside the loop, one at a time, so that others are
        answered meanwhile."""
        if self.size < _LARGE:
            return work()
        async with self._room.turn:
            return await asyncio.to_thread(work)


class Room:
    """Final. Bytes of bodies; a request holds its share from its first byte to its answer.

    Attributes:
        turn: Whose large body is worked on.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = max(limits.bodies, limits.body)
        self._held = 0
        self.turn = asyncio.Semaphore(1)

    def take(self, size: int) -> None:
        """See `Share.take`."""
        if self._held + size > self._most:
            raise Refusal(
                503,
                f"bodies of {self._most:,} bytes are held at once, and others hold them. Ask again in a moment.",
                {"Retry-After": "1", "Connection": "close"},
            )
        self._held += size

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Given back at the end."""
        found = Share(self)
        try:
            yield found
        finally:
            self._held -= found.size
