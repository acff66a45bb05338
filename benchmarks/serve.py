"""The server under load: many requests from many connections, batched against one at a time.

Every request holds rows of its own, and its answer is compared with ``model.predict`` of exactly these rows, so that one
mixed-up answer is found. The client is a process of its own that speaks HTTP over plain sockets (asyncio streams).

    python benchmarks/serve.py                                  # 10,000 requests from 64 connections
    python benchmarks/serve.py --requests 1000 --family linear
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sharewise.families import FAMILIES, Run, Sample
from sharewise.problems import Problem, split
from sharewise.serving import DeployedModel, load

TASKS, FEATURES, ROWS = 6, 12, 1_500
SERVER = """
import sys
from sharewise.serving.http import Limits, serve
serve(sys.argv[1], port=0, limits=Limits(batch_rows=int(sys.argv[2])))
"""


def table(rows: int, seed: int) -> pd.DataFrame:
    """Numbers and a category in, six numbers out that share what they are made of."""
    rng = np.random.default_rng(seed)
    mixing = (
        np.random.default_rng(0).normal(size=(FEATURES, 4)),
        np.random.default_rng(1).normal(size=(4, TASKS)),
    )
    x = rng.normal(size=(rows, FEATURES)).round(4)
    y = np.tanh(x @ mixing[0]) @ mixing[1] + 0.1 * rng.normal(size=(rows, TASKS))
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(FEATURES)])
    frame["colour"] = rng.choice(["red", "green", "blue"], rows)
    return frame.join(pd.DataFrame(y, columns=[f"y{i}" for i in range(TASKS)]))


def fitted(family: str) -> DeployedModel:
    """All tasks together, by the family's first configuration."""
    problem = Problem.from_frame(table(ROWS, seed=0), targets=[f"y{i}" for i in range(TASKS)])
    sample = Sample.of(problem, np.arange(ROWS), split(problem, np.arange(ROWS), folds=3, seed=0))
    (configuration, *_) = FAMILIES[family].configurations(problem, effort=0, together=True)
    model = FAMILIES[family].together(sample, configuration, Run(0, effort=0)).model
    return DeployedModel.of(problem, model, {"verdict": {"sentence": "a benchmark", "outcome": "share"}})


class Server:
    """A server in a process of its own."""

    def __init__(self, folder: Path, batch_rows: int) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder), str(batch_rows)], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        found = None
        while found is None:
            line = self.process.stderr.readline()
            if not line:
                raise SystemExit("the server did not start")
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        self.port = int(found[1])
        asyncio.run(_load(self.port, [b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"], 1))
        self.seconds = time.perf_counter() - started

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def _load(port: int, requests: list[bytes], connections: int) -> list[tuple[int, bytes, float]]:
    """Status, body and seconds of each request; each connection sends its next one when its last is answered."""
    found: list[tuple[int, bytes, float]] = [(0, b"", 0.0)] * len(requests)

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for place in range(first, len(requests), connections):
            started = time.perf_counter()
            writer.write(requests[place])
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            found[place] = int(head.split(None, 2)[1]), body, time.perf_counter() - started
        writer.close()

    await asyncio.gather(*map(client, range(min(connections, len(requests)))))
    return found


def loaded(
    port: int, requests: list[bytes], connections: int
) -> tuple[list[tuple[int, bytes, float]], float]:
    """In the client's process."""
    started = time.perf_counter()
    found = asyncio.run(_load(port, requests, connections))
    return found, time.perf_counter() - started


def requests_of(frame: pd.DataFrame, count: int) -> tuple[list[bytes], list[slice]]:
    """So many requests of one row, every tenth of three."""
    inputs = frame[[name for name in frame.columns if not name.startswith("y")]]
    records = inputs.to_dict("records")
    sent, parts, at = [], [], 0
    for place in range(count):
        size = 3 if place % 10 == 9 else 1
        part = slice(at, at + size)
        body = json.dumps({"rows": records[part]}).encode()
        head = (
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        sent.append(head.encode() + body)
        parts.append(part)
        at += size
    return sent, parts


def mixed_up(found: list[tuple[int, bytes, float]], parts: list[slice], expected: pd.DataFrame) -> int:
    """Answers that are not the library's own for their rows."""
    values = expected.to_numpy()
    wrong = 0
    for (status, body, _), part in zip(found, parts, strict=True):
        if status == 200:
            own = np.array([list(row.values()) for row in json.loads(body)["predictions"]])
            wrong += own.shape != values[part].shape or not np.allclose(
                own, values[part], rtol=1e-5, atol=1e-6
            )
    return wrong


def measure(
    folder: Path, batch_rows: int, count: int, connections: int, frame: pd.DataFrame
) -> dict[str, Any]:
    """One server, one load."""
    sent, parts = requests_of(frame, count)
    expected = load(folder).predict(frame)
    server = Server(folder, batch_rows)
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(
                loaded, server.port, sent[:connections], connections
            ).result()  # first calls pay imports
            found, seconds = pool.submit(loaded, server.port, sent, connections).result()
    finally:
        server.kill()
    statuses = Counter(status for status, _, _ in found)
    p50, p99 = 1e3 * np.percentile([taken for _, _, taken in found], [50, 99])
    return {
        "ready_seconds": round(server.seconds, 2),
        "requests": count,
        "failed": count - statuses[200],
        "mixed_up": mixed_up(found, parts, expected),
        "per_second": round(count / seconds, 1),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
    }


def restarted(folder: Path, frame: pd.DataFrame, times: int = 3) -> list[tuple[float, float]]:
    """Wall and processor seconds of ``sharewise serve`` from its start to its first right answer, each after a kill -9."""
    (sent, *_), (part, *_) = requests_of(frame, 1)
    expected = load(folder).predict(frame)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = []
    for _ in range(1 + times):
        started = time.perf_counter()
        command = [sys.executable, "-m", "sharewise", "serve", str(folder), "--port", str(port)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        answer = None
        while answer is None:
            try:
                (answer,) = asyncio.run(_load(port, [sent], 1))
            except ConnectionRefusedError:
                time.sleep(0.005)
        seconds = time.perf_counter() - started
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        process.send_signal(signal.SIGKILL)
        process.wait()
        if answer[0] != 200 or mixed_up([answer], [part], expected):
            raise SystemExit("the first answer after a restart is wrong")
        found.append((seconds, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")))
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--singly", type=int, help="requests one at a time (default: a fifth)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--family", default="network", choices=tuple(FAMILIES))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "m"
        fitted(given.family).save(folder)
        frame = table(2 * given.requests, seed=7)
        singly = measure(folder, 1, given.singly or given.requests // 5, given.connections, frame)
        print(f"one at a time  {singly}", flush=True)
        together = measure(folder, 512, given.requests, given.connections, frame)
        print(f"batched        {together}")
        print(f"batching       {together['per_second'] / singly['per_second']:.1f} times the throughput")
        for wall, processor in restarted(folder, frame):
            print(
                f"restart        {wall:.2f} s from kill -9 to the first right answer ({processor:.2f} s of processor)"
            )
        print(f"load average   {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    if any(one[key] for one in (singly, together) for key in ("failed", "mixed_up")):
        sys.exit(1)


if __name__ == "__main__":
    main()
