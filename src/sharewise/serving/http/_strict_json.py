"""JSON as RFC 8259 has it, and no more: what parsers disagree about is refused.

Python's own reader takes NaN and Infinity, keeps the last of two equal keys and turns 1e999 into infinity, each of
which would predict something that the client did not ask for.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from sharewise.serving.http._refusal import Refusal

_LONGEST_NUMBER = 400
"""Characters; a double's longest whole number has 309 digits."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> Any:
    """The value that a body spells.

    Args:
        body: UTF-8 without a byte order mark.

    Raises:
        Refusal: 400; the sentence says what is wrong, and where.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, f"JSON is written in UTF-8; byte {error.start} is not. Encode it so.") from error
    try:
        value = json.loads(
            text,
            parse_float=_float,
            parse_int=_int,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise Refusal(
            400, f"the body must be JSON; line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    except RecursionError as error:
        raise Refusal(400, "the body nests too deeply to be read. Send a list of plain rows.") from error
    except UnicodeEncodeError as error:
        raise Refusal(400, "text must be Unicode; a \\u escape is half of a surrogate pair.") from error
    return value


def _float(text: str) -> float:
    value = float(text) if len(text) <= _LONGEST_NUMBER else math.inf
    if math.isinf(value):
        _refuse_number(text)
    return value


def _int(text: str) -> int:
    if len(text) > 15:
        _float(text)  # has no limit on digits of its own, unlike int
    return int(text)


def _refuse_number(text: str) -> NoReturn:
    raise Refusal(400, f"a number must fit a double; {text[:12]}… does not. Send null where it is unknown.")


def _constant(name: str) -> NoReturn:
    raise Refusal(400, f"JSON has no {name}; send null where a number is unknown.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Refusal(400, f"a name stands once in an object; '{double[:80]}' stands twice. Remove one.")
    return found
