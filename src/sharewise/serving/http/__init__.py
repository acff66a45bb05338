"""A saved model over HTTP: predictions, new tasks, health, metrics, and a page for people.

`serve` opens a model folder and answers until it is stopped; `create_app` gives the same application for a server of
your own. Requests that arrive together are predicted together, in one thread; answers are those of ``model.predict``.
Nothing that a client sends is trusted: sizes, times, depth and types are bounded, and each refusal is one sentence,
``{"error": "…"}``. No request leaves the machine.

    app = create_app(sw.load("m/"), token="s3cret", limits=Limits(rows=1_000))

It needs the extra ``serve``: ``pip install "sharewise[serve]"``.
"""

from sharewise.serving.http._app import create_app
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._serve import serve

__all__ = ["Limits", "create_app", "serve"]
