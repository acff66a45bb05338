"""The server against its own OpenAPI document: what it allows is answered, what it does not is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from served_models import long, wide
from sharewise.serving import DeployedModel
from sharewise.serving.http import Limits, create_app
from test_serve_live import listening

PEER = shutil.which("st", path=str(Path(sys.executable).parent)) or shutil.which("st")


@pytest.mark.slow
@pytest.mark.skipif(PEER is None, reason="needs schemathesis, which is not installed")
@pytest.mark.parametrize(
    ("make", "flags"),
    [(wide, ("--include-path=/predict", "--phases=coverage")), (long, ("--phases=coverage,fuzzing",))],
)
def test_schemathesis_finds_nothing(
    make: Callable[[], DeployedModel], flags: tuple[str, ...], tmp_path: Path
) -> None:
    limits = Limits(rows=20)
    with listening(create_app(make(), limits=limits), limits) as port:
        assert PEER is not None
        address = f"http://127.0.0.1:{port}/openapi.json"
        done = subprocess.run(
            [PEER, "run", address, "--max-examples=4", "--seed=1", "--no-color", *flags],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, "\n".join(line[:300] for line in done.stdout.splitlines())[-4_000:]
    assert "No issues found" in done.stdout
