"""Pictures decoded once and kept: in memory up to a bound, beyond it in a file that the memory maps.

Symbols: `N` pictures, `C` channels, `H` × `W` pixels, `B` rows of a batch.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError, StorageError
from sharewise.problems.pictures._decoding import Decoding
from sharewise.problems.pictures._pillow import decode_array, decode_file
from sharewise.problems.pictures._sources import Encoded, is_array, read_arrays, read_column

if TYPE_CHECKING:
    from torch import Tensor

MEMORY = 512 * 2**20
"""Bytes of pixels that are kept in memory unless told otherwise."""


@final
@dataclass(frozen=True)
class Pictures:
    """Decoded pictures, bytes until a batch is asked for.

    Attributes:
        pixels: (N, C, H, W) bytes, in memory or a memory map.
        sizes: (N, 2) width and height before decoding, after EXIF rotation; 0 for a gap.
        decoding: What they were decoded by.
        broken: Row and sentence of each picture that could not be read, or was not named; its pixels are 0.
    """

    pixels: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    decoding: Decoding
    broken: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) which pictures were read."""
        known = np.ones(len(self), dtype=np.bool_)
        known[list(self.broken)] = False
        return known

    @property
    def on_disk(self) -> bool:
        """Whether the pixels are a memory map."""
        return isinstance(self.pixels, np.memmap)

    def batch(self, rows: Sequence[int] | NDArray[np.integer] | Tensor) -> Tensor:
        """The pictures of these rows, (B, C, H, W) numbers from 0 to 1."""
        import torch

        return torch.from_numpy(self.pixels[np.asarray(rows)]).float().div_(255)


def decode(
    values: Iterable[Any],
    decoding: Decoding,
    *,
    root: str | Path = ".",
    bad: Literal["refuse", "gap"] = "refuse",
    memory: int = MEMORY,
    cache: str | Path | None = None,
) -> Pictures:
    """Reads a column of paths, or arrays, each picture once.

    Args:
        root: Where relative paths begin.
        bad: ``refuse`` raises when all have been tried, and names the first; ``gap`` goes on without those pictures.
        memory: Bytes; more pixels than that go to a file in `cache`.
        cache: A folder. With one, pictures are always kept there, and a later call decodes only what is new or
            has changed: after an error nothing is lost. Without, a temporary folder serves where one is needed.

    Raises:
        DataError: A picture cannot be read; no pictures are given.
        OptionError: `bad` is another word, or Pillow is not installed.
        StorageError: The cache cannot be written.
    """
    if bad not in ("refuse", "gap"):
        raise OptionError(
            f"What cannot be read is refused or a gap; got bad='{bad}'. Choose 'refuse' or 'gap'."
        )
    items = list(values)
    arrays = bool(items) and is_array(items[0])
    sources: Sequence[Any] = read_arrays(items) if arrays else read_column(items, root)
    if not sources:
        raise DataError("a column of pictures holds at least one; got none. Name pictures to read.")
    size = len(sources) * int(np.prod(decoding.shape))
    if cache is not None or size <= memory:
        return _read(sources, decoding, bad, None if cache is None else Path(cache))
    folder = Path(tempfile.mkdtemp(prefix="sharewise-"))
    try:
        found = _read(sources, decoding, bad, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)  # it lives as long as its pictures
    return found


def _read(sources: Sequence[Any], decoding: Decoding, bad: str, folder: Path | None) -> Pictures:
    pixels, sizes, stamps = _blocks(sources, decoding, folder)
    broken: dict[int, str] = {}
    for row, source in enumerate(sources):
        stamp = _stamp(source)
        if stamp and stamps[row] == stamp:
            continue
        try:
            pixels[row], sizes[row] = _decoded(source, decoding, row)
        except DataError as error:
            pixels[row], sizes[row], stamps[row] = 0, 0, 0
            broken[row] = str(error)
        else:
            stamps[row] = stamp
    for block in (pixels, sizes, stamps):
        if isinstance(block, np.memmap):
            block.flush()
    if broken and bad == "refuse":
        more = (
            f" ({len(broken) - 1} more of {len(sources)} cannot be read either.)" if len(broken) > 1 else ""
        )
        raise DataError(next(iter(broken.values())) + more)
    return Pictures(pixels, np.array(sizes), decoding, broken)


def _decoded(source: Any, decoding: Decoding, row: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    if source is None:
        raise DataError(
            f"row {row}: a picture has a path; there is none here. Name a file or leave the row out."
        )
    if isinstance(source, Path | Encoded):
        return decode_file(source, decoding)
    return decode_array(source, decoding, f"picture {row}")


def _stamp(source: Any) -> int:
    """A number that changes with the file or the array; 0 where there is nothing to read."""
    if source is None:
        return 0
    if isinstance(source, Path):
        try:
            found = source.stat()
        except OSError:
            return 0
        told = f"{found.st_size} {found.st_mtime_ns}".encode()
    elif isinstance(source, Encoded):
        told = source.data
    else:
        told = f"{source.dtype} {source.shape}".encode() + np.ascontiguousarray(source).tobytes()
    return int.from_bytes(hashlib.blake2b(told, digest_size=7).digest(), "little") + 1


def _blocks(
    sources: Sequence[Any], decoding: Decoding, folder: Path | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Room for pixels (N, C, H, W), sizes (N, 2) and stamps (N,), as an earlier call left it or empty."""
    shapes = (len(sources), *decoding.shape), (len(sources), 2), (len(sources),)
    if folder is None:
        return np.empty(shapes[0], np.uint8), np.zeros(shapes[1], np.int64), np.zeros(shapes[2], np.int64)
    named = [str(source) if isinstance(source, Path) else "" for source in sources]
    key = hashlib.blake2b("\n".join([repr(decoding), *named]).encode(), digest_size=8).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (
            _mapped(folder / f"{key}.pixels", np.uint8, shapes[0]),
            _mapped(folder / f"{key}.sizes", np.int64, shapes[1]),
            _mapped(folder / f"{key}.stamps", np.int64, shapes[2]),
        )
    except OSError as error:
        raise StorageError(
            f"{folder}: decoded pictures are kept in a folder that can be written, with room for "
            f"{int(np.prod(shapes[0]))} bytes ({error}). Name another one with cache=."
        ) from error


def _mapped(path: Path, kind: type[Any], shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    whole = path.is_file() and path.stat().st_size == size
    return np.memmap(path, dtype=kind, mode="r+" if whole else "w+", shape=shape)
