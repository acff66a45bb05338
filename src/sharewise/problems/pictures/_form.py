"""A decoding as plain data, for whoever stores how pictures are read."""

from __future__ import annotations

from typing import TypeAlias, cast

from sharewise.errors import DataError
from sharewise.problems.pictures._decoding import Decoding, Fit

Form: TypeAlias = "tuple[tuple[str, str | int], ...]"
"""A decoding's fields by name."""


def form_of(decoding: Decoding) -> Form:
    """A decoding as plain data."""
    return (
        ("height", decoding.height),
        ("width", decoding.width),
        ("channels", decoding.channels),
        ("fit", decoding.fit),
        ("background", decoding.background),
    )


def decoding_of(form: Form) -> Decoding:
    """The decoding again.

    Raises:
        DataError: The form is of another version.
    """
    told = dict(form)
    try:
        return Decoding(
            int(told["height"]),
            int(told["width"]),
            channels=1 if int(told["channels"]) == 1 else 3,
            fit=cast(Fit, str(told["fit"])),
            background=int(told["background"]),
        )
    except (KeyError, ValueError) as error:
        raise DataError(
            f"a form of pictures names height, width, channels and fit; {error} is amiss."
        ) from error
