"""Randomness of a training run as a function of where the run is.

Every batch that is read and every step that is taken begins by seeding the process's generators with a number
that depends on the seed, the epoch and the place in it alone. So a run that is resumed draws what it would
have drawn, without a generator's state being stored.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


def number_of(*parts: object) -> int:
    """A number of 63 bits, the same in every process, that depends on all parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_all(*parts: object) -> None:
    """Seeds torch (CPU and CUDA), NumPy's legacy generator and Python's: what datasets, samplers, transforms
    and dropout draw from."""
    number = number_of(*parts)
    torch.default_generator.manual_seed(number)  # torch.manual_seed itself takes twenty times as long
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
    np.random.seed(number % 2**32)  # noqa: NPY002 (the users' augmentations draw from it)
    random.seed(number)


@contextmanager
def undisturbed(generators: Iterable[torch.Generator] = ()) -> Iterator[None]:
    """Puts the process's random state, and that of the generators named, back at the end."""
    own = [(generator, generator.get_state()) for generator in generators]
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        for generator, state in own:
            generator.set_state(state)
