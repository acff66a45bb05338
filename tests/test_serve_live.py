"""A server on a real socket: hostile and slow clients, signals, restarts; it lives on and answers the next one."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cli_runs import refused as cli_refused
from cli_runs import run as cli
from served_models import flowers, records, running, wide
from sharewise.errors import OptionError, SharewiseWarning
from sharewise.serving.http import Limits, _serve, create_app, serve

LIMITS = Limits(body=200_000, head_seconds=0.4, body_seconds=0.5, send_seconds=0.5, connections=40)
ROWS = records(flowers(3, seed=1), drop=("size", "species"))


@contextmanager
def listening(app: Any, limits: Limits, buffer: int = 0) -> Iterator[int]:
    """The application on a free port of this process; ``buffer`` bytes are what the system keeps unsent for it."""
    server = _serve.server_of(app, limits)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = create_app(wide(), limits=LIMITS, hosts=_serve.LOOPBACK_NAMES)
    with listening(app, LIMITS) as found:
        yield found


def talk(port: int, *parts: bytes, pause: float = 0.0, seconds: float = 5.0) -> tuple[int, bytes]:
    """Send parts with pauses between them until something comes back; status (0: closed without a word) and the rest."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link:
        for part in parts:
            try:
                link.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(pause)
        return _heard(link)


def _heard(link: socket.socket) -> tuple[int, bytes]:
    found = b""
    try:
        while part := link.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    head, _, body = found.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


def request(
    method: str = "POST",
    path: str = "/predict",
    *headers: str,
    body: bytes = b"",
    kind: str = "application/json",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


SOUND = request(body=json.dumps({"rows": ROWS}).encode())


def lives(port: int) -> None:
    status, body = talk(port, SOUND)
    assert status == 200
    assert len(json.loads(body)["predictions"]) == 3


HOSTILE: dict[str, tuple[bytes, set[int]]] = {
    "sound": (SOUND, {200}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "a line without end": (b"GET /" + b"a" * 100_000, {400}),
    "headers without end": (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, {400}),
    "two lengths": (request("POST", "/predict", "Content-Length: 5", body=b"{}"), {400}),
    "length and chunks": (request("POST", "/predict", "Transfer-Encoding: chunked", body=b"{}"), {400, 408}),
    "negative length": (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        {400},
    ),
    "a length that lies": (
        request("POST", "/predict", "Content-Length: 99999999999999", "Content-Type: application/json"),
        {413},
    ),
    "two types": (request("POST", "/predict", "Content-Type: text/plain", body=b"{}"), {415}),
    "deep JSON": (request(body=b"[" * 100_000), {400}),
    "no UTF-8": (request(body=b'{"rows": "\xff"}'), {400}),
    "wrong method": (request("PUT", "/model"), {405}),
    "unknown path": (request("GET", "/../../etc/passwd"), {404}),
    "encoded path": (request("GET", "/%2e%2e/%00%ff"), {404}),
    "whole address": (request("GET", "http://evil.example/health"), {404, 200}),
    "other host": (request("GET", "/health").replace(b"127.0.0.1", b"evil.example:80"), {421}),
    "upgrade": (request("GET", "/health", "Upgrade: websocket").replace(b"close", b"Upgrade, close"), {200}),
    "unknown verb": (request("BREW", "/health"), {405}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_get_a_status_and_the_server_lives(port: int, name: str) -> None:
    sent, expected = HOSTILE[name]
    status, _ = talk(port, sent)
    assert status in expected
    lives(port)


CHUNKED = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def test_a_body_in_chunks_is_read(port: int) -> None:
    body = json.dumps({"rows": ROWS}).encode()
    pieces = [body[i : i + 50] for i in range(0, len(body), 50)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    closing = CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    status, answer = talk(port, closing + chunks)
    assert status == 200
    assert len(json.loads(answer)["predictions"]) == 3


def test_an_endless_body_is_refused_while_it_comes(port: int) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    started = time.monotonic()
    status, body = talk(port, CHUNKED, *[chunk] * 2_000)
    assert status == 413
    assert b"200,000 bytes" in body
    assert time.monotonic() - started < 5
    lives(port)


def test_slow_clients_are_sent_away(port: int) -> None:
    started = time.monotonic()
    slow_head = talk(port, *[bytes([byte]) for byte in b"GET /health HT"], pause=0.05)
    slow_body = talk(port, request(body=b"{}" + b" " * 100)[:-90], *[b" "] * 9, pause=0.08)
    silent = talk(port)
    assert (slow_head[0], slow_body[0], silent[0]) == (408, 408, 0)
    assert b"error" in slow_head[1]
    assert b"0.5 seconds" in slow_body[1]
    assert time.monotonic() - started < 4
    lives(port)


def test_a_body_after_its_refusal_ends(port: int) -> None:
    """A refusal needs no body; what still comes is dropped, for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert link.recv(65_536).startswith(b"HTTP/1.1 405")
        started = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - started < 4:
                link.sendall(b"1\r\n \r\n")
                time.sleep(0.03)
        assert time.monotonic() - started < 3
    lives(port)


def test_an_answer_that_nobody_reads_is_dropped() -> None:
    """The answers are larger than what the system buffers for a socket."""
    limits = Limits(send_seconds=0.3)
    rows = json.dumps({"rows": ROWS * 300, "probabilities": True}).encode()
    with listening(create_app(wide(), limits=limits), limits, buffer=8_192) as port:
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            link.settimeout(10)
            link.connect(("127.0.0.1", port))
            link.sendall(request(body=rows))
            time.sleep(1.0)
            _, body = _heard(link)
        assert 0 < len(body) < 70_000
        assert not body.endswith(b"}")
        lives(port)


def test_too_many_connections_are_turned_away(port: int) -> None:
    links = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(LIMITS.connections)]
    status, _ = talk(port, SOUND)
    assert status == 503
    for link in links:
        link.close()
    time.sleep(0.1)
    lives(port)


def test_many_connections_at_once_get_their_own_answers(port: int) -> None:
    model = wide()
    table = flowers(48, seed=3)
    rows = records(table, drop=("size", "species"))
    expected = model.predict(table)
    found: dict[int, Any] = {}

    def ask(place: int) -> None:
        for each in range(place, len(rows), 8):
            status, body = talk(port, request(body=json.dumps({"rows": [rows[each]]}).encode()), seconds=20)
            found[each] = json.loads(body)["predictions"][0] if status == 200 else status

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in range(len(rows)):
        assert found[place]["species"] == expected["species"][place]
        assert found[place]["size"] == pytest.approx(expected["size"][place])


# ---------------------------------------------------------------- binding, signals, the command line


def test_addresses_that_cannot_be_bound(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"port {number}; the system answered"):
            serve(tmp_path, port=number)
        cli_refused(cli("serve", tmp_path, "--port", number), "--port")
    for host in ("nowhere.invalid", "a" * 300):
        with pytest.raises(OptionError, match="listens on"):
            serve(tmp_path, host, 0)
    with pytest.raises(OptionError, match="0 to 65535; got 70000"):
        serve(tmp_path, port=70_000)
    cli_refused(cli("serve", tmp_path, "--port", 0), "model")
    cli_refused(cli("serve", tmp_path, "--port", 0, "--rows", -1), "rows=-1")
    cli_refused(cli("serve", tmp_path, "--port", 0, "--token-file", "none.txt"), "none.txt")


def test_an_open_address_without_a_token_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide().save(tmp_path / "m")
    said: list[str] = []

    class Stopped:
        def run(self, sockets: Any) -> None:
            said.append("run")

    monkeypatch.setattr(_serve, "server_of", lambda *_: Stopped())
    with pytest.warns(SharewiseWarning, match=r"0\.0\.0\.0 .* no token"):
        serve(tmp_path / "m", "0.0.0.0", 0, ready=said.append)
    serve(tmp_path / "m", "0.0.0.0", 0, token="long-enough", ready=said.append)
    serve(tmp_path / "m", port=0, ready=said.append)
    assert [one for one in said if one == "run"] == ["run"] * 3
    assert said[-2].startswith("http://127.0.0.1:")


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("sharewise.serving.http")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    cli_refused(cli("serve", tmp_path), "pip install 'sharewise[serve]'", "uvicorn is missing")


@pytest.mark.slow
def test_killed_it_comes_back_and_signals_end_it(tmp_path: Path) -> None:
    wide().save(tmp_path / "m")
    (tmp_path / "token").write_text("a-long-token\n")
    row = records(flowers(1))[0]
    for way in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with running(tmp_path / "m", "--token-file", tmp_path / "token") as (process, address):
            port = int(address.rpartition(":")[2])
            assert talk(port, request(body=json.dumps({"rows": [row]}).encode()))[0] == 401
            assert talk(port, request("GET", "/model", "Authorization: Bearer a-long-token"))[0] == 200
            idle = socket.create_connection(("127.0.0.1", port))
            process.send_signal(way)
            process.wait(10)
            idle.close()
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
            assert process.returncode == (-signal.SIGKILL if way == signal.SIGKILL else 0)
