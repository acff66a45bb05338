"""What one client may ask for, so that all others are served too."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sharewise.errors import OptionError


@dataclass(frozen=True)
class Limits:
    """Bounds of the server; what goes beyond is refused with the status in brackets.

    Attributes:
        body: Bytes of a request's body (413), counted while they arrive.
        bodies: Bytes of all requests' bodies that are held at once (503, with Retry-After).
        rows: Rows of a request (422).
        seconds: From the whole request to its answer (504).
        head_seconds: For a request's line and headers to arrive (408).
        body_seconds: For its body to arrive (408).
        send_seconds: A client may leave its answer unread (the connection is dropped).
        waiting: Requests that wait for the model (503, with Retry-After).
        connections: Open at once (503).
        batch_rows: Rows that are predicted in one call at most; a larger request is a call of its own.
        batch_wait: Seconds that a call waits for company, once requests came together.
        tasks: Tasks that may be adapted to (409).
        kept: Bytes of labelled rows that these tasks keep, so that further ones can join them (409).
    """

    body: int = 8_000_000
    bodies: int = 64_000_000
    rows: int = 10_000
    seconds: float = 30.0
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    send_seconds: float = 30.0
    waiting: int = 512
    connections: int = 1_024
    batch_rows: int = 512
    batch_wait: float = 0.002
    tasks: int = 1_000
    kept: int = 64_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.type == "int"
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise OptionError(
                    f"a limit is a {'whole ' if whole else ''}number; got {field.name}={value!r}."
                )
            least = 0 if field.name == "batch_wait" else 1 if whole else 0.01
            if not least <= value < 1e12:
                raise OptionError(
                    f"a limit is {least} or more; got {field.name}={value}. Leave it out for the default."
                )
