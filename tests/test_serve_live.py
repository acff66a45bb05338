"""A server on a real socket: hostile and slow clients, signals, restarts; it lives on and answers the next one."""

from __future__ import annotations

import gzip
import json
import re
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


CHUNKS = ("Content-Type: application/json", "Transfer-Encoding: chunked")
SOUND = request(body=json.dumps({"rows": ROWS}).encode())


def lives(port: int) -> None:
    status, body = talk(port, SOUND)
    assert status == 200
    assert len(json.loads(body)["predictions"]) == 3


ROW = ROWS[0]


def rows(*cells: Any, **changed: Any) -> bytes:
    """A request for one row, some of its cells changed; or for what is given in place of rows."""
    return request(body=json.dumps({"rows": [*cells] or [{**ROW, **changed}]}).encode())


def said(text: str) -> bytes:
    """A request whose one row holds this text as its length."""
    return request(body=json.dumps({"rows": [{**ROW, "length": 7.25}]}).replace("7.25", text).encode())


KEYS = b",".join(b'"lengt%d":1' % place for place in range(14_000))
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
    # framing
    "HTTP/1.0": (SOUND.replace(b"HTTP/1.1", b"HTTP/1.0"), {200}),
    "HTTP/1.0 without a name": (b"GET /health HTTP/1.0\r\n\r\n", {421}),
    "HTTP/0.9": (b"GET /health\r\n\r\n", {400}),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (request("GET", "/health", "Host: localhost"), {400}),
    "a blank before a colon": (request("GET", "/health").replace(b"Host:", b"Host :"), {400}),
    "a length with a sign": (request("POST", "/predict", "Content-Length: +2"), {400}),
    "a length too short": (SOUND.replace(b"Content-Length: ", b"Content-Length: 9\r\nX: "), {400}),
    "packed transfer": (request("POST", "/predict", "Transfer-Encoding: gzip"), {400}),
    "endless chunk size": (request("POST", "/predict", *CHUNKS) + b"f" * 30 + b"\r\n{}", {400}),
    "negative chunk": (request("POST", "/predict", *CHUNKS) + b"-1\r\n{}", {400}),
    "long chunk extension": (request("POST", "/predict", *CHUNKS) + b"2;" + b"a" * 90_000, {400}),
    "trailers without end": (request("POST", "/predict", *CHUNKS) + b"0\r\n" + b"x: y\r\n" * 20_000, {400}),
    "asked to go on": (SOUND.replace(b"Connection", b"Expect: 100-continue\r\nConnection"), {100}),
    # names and paths
    "another name before": (request("GET", "/health").replace(b"127.", b"evil.example@127."), {421}),
    "another name behind": (request("GET", "/health").replace(b"0.1", b"0.1.evil.example"), {421}),
    "forwarded": (request("GET", "/nothing", "X-Original-URL: /model", "X-Forwarded-Host: evil"), {404}),
    "a line break in a path": (request("GET", "/x%0d%0aSet-Cookie:%20a=b"), {404}),
    "a zero in a path": (b"GET /hea\0lth HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "a preflight": (request("OPTIONS", "/adapt", "Origin: http://evil.example"), {405}),
    "all paths": (request("OPTIONS", "*"), {404}),
    "a proxy's verb": (request("CONNECT", "127.0.0.1:22"), {404}),
    # bodies
    "packed": (
        request("POST", "/predict", "Content-Encoding: gzip", body=gzip.compress(b" " * 10**7)),
        {415},
    ),
    "a form": (request(body=b"rows=1", kind="application/x-www-form-urlencoded"), {415}),
    "a file": (request(body=b"--x\r\n", kind="multipart/form-data; boundary=x"), {415}),
    "UTF-16": (request(body=json.dumps({"rows": [ROW]}).encode("utf-16")), {400}),
    "a byte order mark": (request(body=b"\xef\xbb\xbf{}"), {400}),
    "a zero in text": (rows(colour="a\0b"), {200}),
    "half a letter": (rows(colour="\ud800"), {400}),
    "no number": (said("NaN"), {400}),
    "no end": (said("-Infinity"), {400}),
    "beyond a double": (said("1e999"), {400}),
    "nearly nothing": (said("1e-999"), {200}),
    "digits": (said("9" * 5_000), {400}),
    "beyond the library": (said("1e300"), {422}),
    "deep objects": (request(body=b'{"a":' * 30_000), {400}),
    "a name twice": (said('1, "length": 2'), {400}),
    "many names": (request(body=b'{"rows": [{' + KEYS + b"}]}"), {422}),
    "many rows": (request(body=b'{"rows": [' + b"{}," * 60_000 + b"{}]}"), {422}),
    "numbers for rows": (rows(*range(30_000)), {422}),
    "a long word": (rows(colour="x" * 190_000), {200}),
    "a long task": (request(body=json.dumps({"rows": [ROW], "tasks": ["s" * 190_000]}).encode()), {404}),
    "a long name": (rows({"l" * 190_000: 1}), {422}),
    "a long date": (rows(picked="2" * 190_000), {422}),
    "year 0": (rows(picked="0000-01-01"), {422}),
    "an odd hour": (rows(picked="2026-03-01T10:00:00+99:00"), {422}),
    "to adapt": (SOUND.replace(b"/predict", b"/adapt"), {422}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_get_a_status_and_the_server_lives(port: int, name: str) -> None:
    sent, expected = HOSTILE[name]
    started = time.monotonic()
    status, body = talk(port, sent)
    assert status in expected
    if status >= 400:
        assert list(json.loads(body)) == ["error"]
        assert json.loads(body)["error"].endswith((".", "…"))
    assert len(body) < 30_000  # what was sent is not sent back whole
    assert time.monotonic() - started < 4
    lives(port)


def test_requests_sent_at_once_are_answered_in_turn(port: int) -> None:
    parts = [rows({**ROW, "length": float(place)}).replace(b"close", b"keep-alive") for place in range(4)]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(b"".join(parts) + request("HEAD", "/health"))
        found = b""
        while part := link.recv(65_536):
            found += part
    sizes = [json.loads(body)["predictions"][0]["size"] for body in re.findall(rb"\{.*\}", found)]
    assert found.count(b"HTTP/1.1 200 OK") == 5
    assert sizes == sorted(sizes)  # the size grows with the length
    assert len(sizes) == 4  # and HEAD has no body


def test_bodies_that_are_large_together_wait_outside() -> None:
    """Two slow clients hold most of the room; a third one is asked to come again, a small one is served."""
    limits = Limits(body=100_000, bodies=150_000)
    with listening(create_app(wide(), limits=limits), limits) as port:
        slow = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(2)]
        for link in slow:
            link.sendall(request(body=b" " * 100_000)[:-30_000])
        time.sleep(0.2)
        status, body = talk(port, request(body=b" " * 50_000))
        assert (status, "150,000 bytes" in json.loads(body)["error"]) == (503, True)
        lives(port)
        for link in slow:
            link.close()
        time.sleep(0.1)
        assert talk(port, request(body=b" " * 50_000))[0] == 400


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
    (tmp_path / "token").write_text("a-long-token\n")
    table = flowers(5, seed=8)
    body = json.dumps({"rows": records(table, drop=("size", "species"))}).encode()
    for family, way in (("trees", signal.SIGKILL), ("trees", signal.SIGTERM), ("linear", signal.SIGINT)):
        model = wide(family)
        model.save(tmp_path / family)
        with running(tmp_path / family, "--token-file", tmp_path / "token") as (process, address):
            port = int(address.rpartition(":")[2])
            assert talk(port, request(body=body))[0] == 401
            status, answer = talk(
                port, request("POST", "/predict", "Authorization: Bearer a-long-token", body=body)
            )
            assert status == 200
            sizes = [row["size"] for row in json.loads(answer)["predictions"]]
            assert sizes == pytest.approx(model.predict(table)["size"].tolist())
            idle = socket.create_connection(("127.0.0.1", port))
            process.send_signal(way)
            process.wait(10)
            idle.close()
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
            assert process.returncode == (-signal.SIGKILL if way == signal.SIGKILL else 0)
