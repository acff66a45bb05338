"""Chromium driven over its own pipe (Chrome DevTools Protocol), with everything it logs and asks for.

https://chromedevtools.github.io/devtools-protocol/ : messages are JSON, each ended by a zero byte, on descriptors 3 and 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

BROWSER = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)
SECONDS = 60.0

PALE = """
(() => {
  const parts = (text) => {
    const found = (text.match(/[0-9.]+/g) || []).map(Number);
    return text.startsWith("color(") ? found.map((each, i) => (i < 3 ? 255 * each : each)) : found;
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * (top[3] ?? 1) + under[i] * (1 - (top[3] ?? 1)));
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    const layers = [];
    for (; one; one = one.parentElement) {
      layers.push(parts(getComputedStyle(one).backgroundColor));
      if ((layers.at(-1)[3] ?? 1) === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const texts = [...document.body.querySelectorAll("*")].filter((one) => !one.closest("svg, :disabled") &&
    one.checkVisibility() && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((one) => {
    const under = ground(one), ink = over(parts(getComputedStyle(one).color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), one.textContent.trim().slice(0, 40)];
  }).filter(([ratio]) => ratio < 4.5);
})()
"""
"""Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3); those in drawings are left out."""

_PLACED = """
import fcntl, os, sys
held = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for place, one in enumerate(held, 3):
    os.dup2(one, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts two descriptors where the browser looks for them; each is first copied out of the way."""


class Tab:
    """One page.

    Attributes:
        asked: Addresses that it asked for.
        said: What it logged, threw or was refused.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._held = b""
        self._count = 0
        self._session: str | None = None
        self.asked: list[str] = []
        self.said: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command's result."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._count:
                assert "error" not in found, (method, found["error"])
                result: dict[str, Any] = found["result"]
                return result
            self._note(found)

    def run(self, script: str) -> Any:
        """What an expression gives; promises are awaited."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """The expression's value, once it is true."""
        until = time.monotonic() + SECONDS
        while not (found := self.run(script)):
            assert time.monotonic() < until, (script, self.said, self.run("document.body.innerText"))
            time.sleep(0.03)
        return found

    def open(self, address: str, ready: str) -> None:
        """Go there and wait for the expression."""
        self.send("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank'")
        self.asked.clear()
        self.said.clear()
        self.send("Page.navigate", url=address)
        self.wait(f"location.href !== 'about:blank' && document.readyState === 'complete' && ({ready})")

    def press(self, key: str, text: str = "", times: int = 1) -> None:
        """A key of the keyboard."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}
        for _ in range(times):
            common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0)}
            self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.send("Input.insertText", text=text)

    def look(self, width: int, scheme: str) -> None:
        """As on a screen of that many pixels across, in ``light`` or ``dark``."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self.send("Emulation.setDeviceMetricsOverride", **screen)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def focus(self) -> str:
        """What the keyboard writes to: its id, or the name of its tag."""
        return str(self.run("document.activeElement.id || document.activeElement.tagName"))

    def picture(self, file: Path) -> None:
        """The whole page as a PNG, for eyes."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(b64decode(found["data"]))

    def choose(self, selector: str, *files: Path) -> None:
        """Files into a file field."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            ready, _, _ = select([self._in], [], [], SECONDS)
            part = os.read(self._in, 65_536) if ready else b""
            assert part, "the browser says nothing any more"
            self._held += part
        message, _, self._held = self._held.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        own = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(own["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.said.append(str(own["args"]))
            case "Runtime.exceptionThrown":
                self.said.append(str(own["exceptionDetails"]))
            case "Log.entryAdded":
                self.said.append(str(own["entry"]))


@contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """A page of a browser of its own."""
    assert BROWSER is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _PLACED,
            str(theirs_in),
            str(theirs_out),
            BROWSER,
            *FLAGS,
            f"--user-data-dir={profile}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(theirs_in, theirs_out),
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Tab(ours_out, ours_in)
    finally:
        os.close(ours_out)
        os.close(ours_in)
        process.kill()
        process.wait()
