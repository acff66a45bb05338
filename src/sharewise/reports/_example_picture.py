"""A picture's bytes as a small data URI.

Symbols: ``C`` channels (1 or 3), ``H`` × ``W`` pixels.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

LONGEST = 128
LONGEST_PLAIN = 64
"""Pixels of the longer side at most: as JPEG, and as PNG where Pillow is not installed."""


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Bytes ``(C, H, W)``, thinned to whole steps where they are many."""
    try:
        from PIL import Image
    except ImportError:
        return "data:image/png;base64," + base64.b64encode(png(thinned(pixels, LONGEST_PLAIN))).decode()
    small = thinned(pixels, LONGEST)
    picture = Image.fromarray(np.ascontiguousarray(small[0] if len(small) == 1 else small.transpose(1, 2, 0)))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(target.getvalue()).decode()


def thinned(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Every so many pixels, so that no side has more than ``longest``."""
    step = -(-max(pixels.shape[1:]) // longest)
    return pixels[:, ::step, ::step]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of bytes ``(C, H, W)``: grey for one channel, else colour."""
    channels, height, width = pixels.shape
    colour = 0 if channels == 1 else 2
    lines = np.ascontiguousarray(pixels.transpose(1, 2, 0)).reshape(height, -1)
    data = b"".join(b"\0" + line.tobytes() for line in lines)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts: list[bytes] = [
        _chunk(name, content)
        for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    ]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
