"""Pictures as clients send them: files in base64, decoded as the library decodes a file, within bounds.

A small file can claim to be larger than the memory, so sizes are read and bounded before any pixel is. Only PNG and
JPEG are opened: each further format is a decoder that strangers reach.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from base64 import b64decode
from collections.abc import Callable
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems.pictures import Decoding

FORMATS = ("PNG", "JPEG")
MOST_PIXELS = 50_000_000
"""Of a request's pictures together."""
PATTERN = r"^(data:image/(png|jpeg);base64,)?[A-Za-z0-9+/]+={0,2}$"
"""How a file is written; a browser's own form (RFC 2397) is taken too."""
_HEAD = re.compile(r"data:image/(png|jpeg);base64,")


class Reader:
    """Final. Reads one request's pictures.

    Args:
        decoding: As the model's pictures were decoded.
        refuse: Is told a row and what was found there, and raises.
    """

    def __init__(self, decoding: Decoding, refuse: Callable[[int, str], NoReturn]) -> None:
        self._decoding = decoding
        self._refuse = refuse
        self._left = MOST_PIXELS

    def read(self, text: str, place: int) -> NDArray[np.uint8]:
        """A file's pixels ``(C, H, W)``, those that the library reads from it."""
        from sharewise.problems.pictures._pillow import decode_picture, pillow

        library, data = pillow(), self._bytes(text, place)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata, and of sizes, which are bounded here
                with library.open(io.BytesIO(data), formats=FORMATS) as picture:
                    full = picture.size
                    self._check(full, place)
                    picture.draft(self._decoding.mode, (2 * self._decoding.width, 2 * self._decoding.height))
                    picture.load()
                    return decode_picture(picture, self._decoding, f"row {place + 1}", full)[0]
        except library.DecompressionBombError:
            self._refuse(place, f"one of more than {MOST_PIXELS:,} pixels")
        except (DataError, OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error):
            self._refuse(place, "a file that is no whole PNG or JPEG")

    def _bytes(self, text: str, place: int) -> bytes:
        head = _HEAD.match(text)
        try:
            return b64decode(text[head.end() :] if head else text, validate=True)
        except ValueError:  # binascii.Error, or letters beyond ASCII
            self._refuse(place, "text that is no base64 of a PNG or JPEG file")

    def _check(self, size: tuple[int, int], place: int) -> None:
        if min(size) < self._decoding.least_side:
            self._refuse(place, f"one of {size[0]} × {size[1]} pixels, in which nothing can be seen")
        self._left -= size[0] * size[1]
        if self._left < 0:
            self._refuse(
                place,
                f"one of {size[0]} × {size[1]} pixels, and a request's pictures have {MOST_PIXELS:,} at most",
            )
