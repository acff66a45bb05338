"""A loader's batches shared out over processes: each reads its own rows of the same global batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset, Sampler

from sharewise.errors import OptionError


class Share(Sampler[list[int]]):
    """Every ``world``-th row of each batch, from the ``rank``-th on.

    A batch with fewer rows than there are processes (only a last one can be) is left out by all of them.
    """

    def __init__(self, batches: Any, rank: int, world: int) -> None:
        self.batches, self.rank, self.world = batches, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            rows = list(batch)
            if len(rows) >= self.world:
                yield rows[self.rank :: self.world]

    def __len__(self) -> int:
        batches = self.batches
        if isinstance(batches, BatchSampler) and not batches.drop_last:
            last = len(batches.sampler) % batches.batch_size  # type: ignore[arg-type]
            return len(batches) - (0 < last < self.world)
        return len(batches)

    def set_epoch(self, epoch: int) -> None:
        """Passed on to the sampler inside, if it wants it."""
        for place in (self.batches, getattr(self.batches, "sampler", None)):
            if place is not None and hasattr(place, "set_epoch"):
                place.set_epoch(epoch)


def share(loader: Iterable[Any], rank: int, world: int) -> Iterable[Any]:
    """The loader of this process. With one process it is the loader itself; the batch size is the global one.

    Raises:
        OptionError: On several processes, where the loader does not know its rows by number.
    """
    if world == 1:
        return loader
    if (
        not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or loader.batch_sampler is None
    ):
        raise OptionError(
            "several processes share the batches of a torch DataLoader over a dataset with numbered rows; got "
            f"a {type(loader).__name__}. Give such a loader, or train in one process."
        )
    return DataLoader(
        loader.dataset,
        batch_sampler=Share(loader.batch_sampler, rank, world),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )
