"""Drives Debian's Chromium over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)


class Page:
    """One page of a browser.

    Attributes:
        requests: the URLs that it asked for.
        complaints: what it wrote to the console as an error, and what its policy blocked.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        number = len(self._answers) + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await answer

    async def listen(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                answer = self._answers[event["id"]]
                if "error" in event:
                    answer.set_exception(RuntimeError(event["error"]["message"]))
                else:
                    answer.set_result(event["result"])
            else:
                self._note(event["method"], event["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:1000])
        elif method == "Log.entryAdded" and params["entry"]["source"] in ("security", "javascript"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append(json.dumps(params["args"])[:1000])

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = await self.call(
            "Runtime.evaluate",
            expression=script, awaitPromise=True, returnByValue=True, userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str, secs: float = 60.0) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + secs
        while not (value := await self.run(script)):
            if time.monotonic() > end:
                raise AssertionError(f"{script} is not true; {await self.text('body')}")
            await asyncio.sleep(0.1)
        return value

    async def text(self, selector: str) -> str:
        """What is written there, as far as it is shown."""
        return str(await self.run(f"document.querySelector({selector!r}).innerText"))

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def choose(self, selector: str, *files: Path) -> None:
        """Put files into an input."""
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        found = await self.call("DOM.querySelector", nodeId=root, selector=selector)
        names = [str(path) for path in files]
        await self.call("DOM.setFileInputFiles", nodeId=found["nodeId"], files=names)

    async def drop(self, *files: Path) -> None:
        """Drag files into the page and drop them."""
        data = {"items": [], "files": [str(path) for path in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.call("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)

    async def click(self, selector: str) -> None:
        await self.run(f"document.querySelector({selector!r}).click()")

    async def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )  # fmt: skip

    async def size(self, width: int, height: int, scale: float = 1.0) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 500,
        )  # fmt: skip

    async def dark(self, *features: str) -> None:
        wanted = features or ("prefers-color-scheme:dark",)
        pairs = [dict(zip(("name", "value"), each.split(":"), strict=True)) for each in wanted]
        await self.call("Emulation.setEmulatedMedia", features=pairs)

    async def shot(self) -> bytes:
        """A picture of the whole page, as a PNG."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Page]:
    """A page of a browser of its own, which ends with the context."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        child = await asyncio.create_subprocess_exec(
            CHROMIUM, *_FLAGS, *flags, f"--user-data-dir={folder}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = await _port(Path(folder) / "DevToolsActivePort", child)
            async with _page(f"http://127.0.0.1:{port}") as page:
                yield page
        finally:
            child.terminate()
            await child.wait()


@asynccontextmanager
async def _page(address: str) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/json/list") as response:
            targets: Sequence[dict[str, str]] = await response.json()
        url = next(each["webSocketDebuggerUrl"] for each in targets if each["type"] == "page")
        async with session.ws_connect(url, max_msg_size=0) as socket:
            page = Page(socket)
            listening = asyncio.ensure_future(page.listen())
            for domain in ("Page", "DOM", "Runtime", "Network", "Log"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                listening.cancel()


async def _port(path: Path, child: asyncio.subprocess.Process) -> int:
    end = time.monotonic() + 60
    while not (text := _read(path)).count("\n"):
        assert child.returncode is None, "Chromium has ended"
        assert time.monotonic() < end, "Chromium does not start"
        await asyncio.sleep(0.05)
    return int(text.split()[0])


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
