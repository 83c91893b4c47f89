"""The time from nothing to the first moving picture by the page, and docs/images/page.webp.

    .venv/bin/python ci/page.py            # measures
    .venv/bin/python ci/page.py --picture  # also makes the picture

It starts a preview server whose engine has never been compiled, opens the page in Chromium and
clicks the example; then again, as a second visitor would.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/images/page.webp"
SIZE = (1280, 800)

sys.path.insert(0, str(ROOT / "tests/server"))

from chromium import chromium  # noqa: E402


async def main(*, makes_picture: bool) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as cache:
        began = time.monotonic()
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "musetalk_fast", "serve", "--port", "0"),
            env=os.environ | {"NUMBA_CACHE_DIR": cache},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert server.stdout is not None
            address = (await server.stdout.readline()).decode().split()[-1]
            _say(began, "the server listens")
            await _visit(address, began, None)
            picture = PICTURE if makes_picture else None
            await _visit(address, time.monotonic(), picture)
        finally:
            server.terminate()
            await server.wait()


async def _visit(address: str, began: float, picture: Path | None) -> None:
    async with chromium() as page:
        await page.size(*SIZE)
        await page.open(f"{address}/")
        await page.until("!document.querySelector('#example').disabled")
        _say(began, "the page is open")
        await page.click("#example")
        await page.until("!document.querySelector('#speak').disabled", 200)
        _say(began, "the face is found")
        await page.until("!['', '–'].includes(document.querySelector('#wait').textContent)")
        _say(began, "the portrait speaks")
        await page.until("!document.querySelector('#result').hidden")
        print((await page.text("#figures")).replace("\n", " "))
        if picture is not None:
            shot = await page.shot()
            with Image.open(io.BytesIO(shot)) as image:
                image.convert("RGB").save(picture, quality=85, method=6)


def _say(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s: {what}")


if __name__ == "__main__":
    asyncio.run(main(makes_picture="--picture" in sys.argv[1:]))
