"""The page at ``/``: one answer that loads nothing.

It holds no data of the model, so it needs no token; its script asks `/model` for what it shows.
"""

from __future__ import annotations

import secrets
from importlib.resources import files

from starlette.responses import Response


class Page:
    """Final. The page's three files in one text, with a nonce of its own for each answer."""

    def __init__(self) -> None:
        folder = files("sharewise.serving.http") / "page"
        read = {name: (folder / f"page.{name}").read_text("utf-8") for name in ("html", "css", "js")}
        self._text = read["html"].replace("/* STYLE */", read["css"]).replace("/* SCRIPT */", read["js"])

    def response(self) -> Response:
        """The page, allowed to run its own script and to ask its own server, and nothing else."""
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return Response(
            self._text.replace("NONCE", nonce),
            media_type="text/html",
            headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"},
        )
