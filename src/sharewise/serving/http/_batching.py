"""Requests that arrive together are predicted together.

The model runs in one thread of its own, since it is not made to be entered twice and adapting changes it. While it is busy
requests wait; when it is free it takes what waits, in order, up to a number of rows. A lone request never waits for
company; once requests came together, the next call waits a moment for more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sharewise.serving.http._asks import Answer, Ask
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._refusal import Refusal

T = TypeVar("T")


@dataclass(eq=False)
class _Waiting:
    """One request that waits: rows to predict, or work to be done alone."""

    future: asyncio.Future[Any]
    ask: Ask | None = None
    work: Callable[[], Any] | None = field(default=None)


class Turns:
    """Final. Who is served next.

    Args:
        answer: Predicts several requests at once.
        limits: How many may wait, and how many rows go together.
        told: Is told of each call of the model: requests and rows.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Ask]], list[Answer]],
        limits: Limits,
        told: Callable[[int, int], None],
    ) -> None:
        self._answer = answer
        self._limits = limits
        self._told = told
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sharewise-model")
        self._serving: asyncio.Task[None] | None = None
        self._crowded = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def predict(self, ask: Ask) -> Answer:
        """The answer to one request.

        Raises:
            Refusal: 503; too many wait.
        """
        answer: Answer = await self._queued(_Waiting(self._future(), ask=ask))
        return answer

    async def alone(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, run in the model's thread when its turn comes.

        Raises:
            Refusal: 503; too many wait.
        """
        found: T = await self._queued(_Waiting(self._future(), work=work))
        return found

    def close(self) -> None:
        """Serve nobody any more: what waits is refused, what runs is left to end."""
        for one in self._waiting:
            if not one.future.done():
                one.future.set_exception(Refusal(503, "the server is stopping. Ask again when it is back."))
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _queued(self, one: _Waiting) -> Any:
        if len(self._waiting) >= self._limits.waiting:
            raise Refusal(
                503,
                f"{self._limits.waiting} requests wait already. Ask again in a moment.",
                {"Retry-After": "1"},
            )
        self._waiting.append(one)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._serve())
        return await one.future

    async def _serve(self) -> None:
        """Runs while somebody waits."""
        while self._waiting:
            await asyncio.sleep(self._limits.batch_wait if self._crowded and self._room() else 0)
            batch = self._next()
            if not batch:
                continue
            outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._compute, batch)
            self._crowded = len(batch) > 1 or len(self._waiting) > 0
            for one, outcome in zip(batch, outcomes, strict=True):
                if one.future.done():
                    continue  # its client waits no longer
                if isinstance(outcome, Exception):
                    one.future.set_exception(outcome)
                else:
                    one.future.set_result(outcome)

    def _room(self) -> bool:
        return self._waiting[0].ask is not None and sum(map(_rows, self._waiting)) < self._limits.batch_rows

    def _next(self) -> list[_Waiting]:
        """The first that waits, with those after it that can go along."""
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting:
            one = self._waiting[0]
            if one.future.done():
                self._waiting.popleft()
                continue
            if batch and (one.ask is None or rows + _rows(one) > self._limits.batch_rows):
                break
            batch.append(self._waiting.popleft())
            rows += _rows(one)
            if one.ask is None:
                break
        return batch

    def _compute(self, batch: Sequence[_Waiting]) -> list[Any]:
        """In the model's thread: a result or an exception for each."""
        (first, *_) = batch
        if first.work is not None:
            return [_tried(first.work)]
        asks = [one.ask for one in batch if one.ask is not None]
        self._told(len(asks), sum(ask.rows for ask in asks))
        together = _tried(lambda: self._answer(asks))
        if not isinstance(together, Exception):
            return list(together)
        if len(asks) == 1:
            return [together]
        # One request's rows are at fault: the others are answered without it.
        return [_tried(lambda ask=ask: self._answer([ask])[0]) for ask in asks]  # type: ignore[misc]


def _rows(one: _Waiting) -> int:
    return 0 if one.ask is None else one.ask.rows


def _tried(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - handed to the request that asked for it
        return error
