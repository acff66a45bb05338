"""One picture, from a file or an array to a block of bytes, by Pillow; or one sentence that says why not.

Grey, RGB, RGBA, CMYK, palettes, 1 and 16 bits are read; transparent pixels show the background, 16 bits lose their
lower eight, a film shows its first frame, and EXIF rotation is applied. Floating-point and 32-bit files are refused,
since nothing tells how bright their numbers are.

Symbols: as in `_decoding`.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems.pictures._decoding import Decoding
from sharewise.problems.pictures._sources import Encoded

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = NDArray[np.uint8]
ORIENTATION, ACROSS = 0x0112, (5, 6, 7, 8)
"""EXIF's tag of how a camera was held, and its values that exchange width and height."""
GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes without a colour or a clear pixel."""
SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N")


def pillow() -> Any:
    """The module ``PIL.Image``.

    Raises:
        OptionError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise OptionError(
            "pictures are read with Pillow, which is not installed; pip install 'sharewise[images]'."
        ) from error
    return Image


def decode_file(path: Path | Encoded, decoding: Decoding) -> tuple[Bytes, tuple[int, int]]:
    """A file, or what one would hold, as a block (C, H, W), and the size (w, h) that it was looked at in.

    Raises:
        DataError: The file is missing, is no picture, is damaged, too large, too small, or cannot be understood.
    """
    with _opened(path, decoding) as picture:
        full = picture.size
        # A JPEG is decoded at a half, a quarter or an eighth where that is still twice the block's size.
        picture.draft(decoding.mode, (2 * decoding.width, 2 * decoding.height))
        return decode_picture(_loaded(picture, path), decoding, str(path), full)


def header(path: Path | Encoded) -> tuple[tuple[int, int], str] | None:
    """Size (w, h) after rotation and mode of a file, its pixels unread; None where that fails."""
    library = pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is amiss with it, decoding says
            with library.open(_file(path)) as picture:
                turned = picture.getexif().get(ORIENTATION, 1) in ACROSS
                return (picture.size[::-1] if turned else picture.size), picture.mode
    except (OSError, SyntaxError, ValueError, library.DecompressionBombError):
        return None


def decode_mask(path: Path, decoding: Decoding, size: tuple[int, int], *, fill: int = 255) -> Bytes:
    """A mask of class codes as (H, W), placed as its picture of `size` (w, h) is; margins hold `fill`.

    Raises:
        DataError: The file cannot be read, is of another size than the picture, or holds no codes of 0 to 255.
    """
    codes = read_mask(path, decoding)
    if codes.shape != size[::-1]:
        raise DataError(
            f"{path}: a mask has the size of its picture, {size[0]} × {size[1]} pixels; this one has "
            f"{codes.shape[1]} × {codes.shape[0]}. Correct the pair."
        )
    return place_mask(codes, decoding, fill=fill)


def read_mask(path: Path, decoding: Decoding) -> Bytes:
    """A file's class codes (h, w), at the size it has.

    Raises:
        DataError: The file cannot be read, or holds no codes of 0 to 255.
    """
    with _opened(path, decoding) as opened:
        mask = _loaded(opened, path)
        if mask.mode not in ("L", "P", "1"):
            raise DataError(
                f"{path}: a mask holds one class code of 0 to 255 a pixel; this one is of mode {mask.mode}. "
                "Save it as grey values or with a palette."
            )
        return np.asarray(mask).astype(np.uint8)


def place_mask(codes: Bytes, decoding: Decoding, *, fill: int = 255) -> Bytes:
    """Codes (h, w) as (H, W), placed as a picture of their size is, by nearest neighbours; margins hold `fill`."""
    Image = pillow()
    place = decoding.place(codes.shape[1], codes.shape[0])
    scaled = Image.fromarray(np.ascontiguousarray(codes)).resize(
        (place.width, place.height), Image.Resampling.NEAREST
    )
    block = Image.new("L", (decoding.width, decoding.height), fill)
    block.paste(scaled, (place.left, place.top))
    return np.array(block)


def decode_array(array: NDArray[Any], decoding: Decoding, name: str) -> tuple[Bytes, tuple[int, int]]:
    """Numbers (h, w) or (h, w, 1, 3 or 4), bytes, 16 bits, booleans or fractions of 1, as a block (C, H, W).

    Raises:
        DataError: The array is of another shape or holds other numbers.
    """
    array = np.asarray(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise DataError(
            f"{name}: an array is a picture as (height, width) or (height, width, 1, 3 or 4); got shape "
            f"{array.shape}. Reorder its axes, channels last."
        )
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise DataError(
                f"{name}: floating-point pixels lie between 0 and 1; got {np.min(array):.6g} to "
                f"{np.max(array):.6g}. Scale them, or pass bytes."
            )
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise DataError(
            f"{name}: pixels are bytes, 16-bit numbers, booleans or fractions of 1; got {array.dtype}. Convert them."
        )
    picture = pillow().fromarray(np.ascontiguousarray(array))
    _check_size(picture.size, decoding, name)
    return decode_picture(picture, decoding, name, picture.size)


def decode_picture(
    picture: Image, decoding: Decoding, name: str, full: tuple[int, int]
) -> tuple[Bytes, tuple[int, int]]:
    """A loaded picture, perhaps smaller than `full` (w, h), as a block, and the full size after rotation."""
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: a picture without a rotation is taken as it is
        turned = ImageOps.exif_transpose(picture)
        if picture.getexif().get(ORIENTATION, 1) in ACROSS:
            full = full[::-1]
    place = decoding.place(*full)
    Image = pillow()
    scaled = _plain(turned, decoding, name).resize((place.width, place.height), Image.Resampling.BILINEAR)
    ground = decoding.background if decoding.channels == 1 else (decoding.background,) * 3
    block = Image.new(decoding.mode, (decoding.width, decoding.height), ground)
    block.paste(scaled, (place.left, place.top))
    values = np.asarray(block)
    return np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1)), full


def _opened(path: Path | Encoded, decoding: Decoding) -> Image:
    """The file's header, read and checked."""
    library = pillow()
    try:
        what = None if isinstance(path, Encoded) else _amiss(path)
    except OSError as error:  # a folder that may not be entered, a name too long
        what = f"cannot be reached ({error.strerror})"
    if what:
        raise DataError(f"{path}: a picture is a file; this one {what}. Correct the path or the root folder.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the bound on pixels below is ours, and stricter
            picture: Image = library.open(_file(path))
    except library.DecompressionBombError as error:
        raise DataError(
            f"{path}: a picture has at most {decoding.most_pixels} pixels; {_first(error)} Shrink it, or raise most_pixels."
        ) from error
    except PermissionError as error:
        raise DataError(
            f"{path}: a picture is a file that may be read; this one may not ({error.strerror}). "
            "Change its permissions or leave its row out."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        size = len(path.data) if isinstance(path, Encoded) else path.stat().st_size
        raise DataError(
            f"{path}: a picture is a file that Pillow can read; these {size} bytes are none. "
            "Replace the file or leave its row out."
        ) from error
    try:
        _check_size(picture.size, decoding, str(path))
    except DataError:
        picture.close()
        raise
    return picture


def _check_size(size: tuple[int, int], decoding: Decoding, name: str) -> None:
    if size[0] * size[1] > decoding.most_pixels:
        raise DataError(
            f"{name}: a picture has at most {decoding.most_pixels} pixels; this one says {size[0]} × {size[1]}. "
            "Shrink it, or raise most_pixels."
        )
    if min(size) < decoding.least_side:
        raise DataError(
            f"{name}: a picture is at least {decoding.least_side} pixels a side; this one has "
            f"{size[0]} × {size[1]}. Replace it or leave its row out."
        )


def _amiss(path: Path) -> str | None:
    return None if path.is_file() else "is a folder" if path.is_dir() else "is not there"


def _file(source: Path | Encoded) -> Any:
    """What Pillow opens."""
    return BytesIO(source.data) if isinstance(source, Encoded) else source


def _loaded(picture: Image, path: Path | Encoded) -> Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which say nothing about the pixels
            picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        raise DataError(
            f"{path}: a picture must be whole; this file breaks off or is damaged ({_first(error)}) "
            "Fetch it again or leave its row out."
        ) from error
    return picture


def _plain(picture: Image, decoding: Decoding, name: str) -> Image:
    """As grey values or RGB."""
    Image = pillow()
    if picture.mode in SIXTEEN or picture.mode == "I":
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(
                f"{name}: pixels have 8 or 16 bits; these run from {values.min()} to {values.max()}. Convert the picture."
            )
        picture = Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
    elif picture.mode == "F":
        raise DataError(
            f"{name}: a picture's numbers are integers, so that its white is known; this one holds floating-point "
            "numbers. Convert it, or pass an array of fractions of 1."
        )
    if "transparency" in picture.info or picture.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        clear = picture.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (decoding.background,) * 3 + (255,))
        picture = Image.alpha_composite(ground, clear)
    return picture if picture.mode == decoding.mode else picture.convert(decoding.mode)


def _first(error: BaseException) -> str:
    text = str(error).split("\n")[0].rstrip(".")
    return f"{text}."
