"""An avatar that several renders use is opened once, as long as its file stays as it is."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from musetalk_fast.config import AvatarSettings, OutputSettings, Settings
from musetalk_fast.events import Event, FacesEvent
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.planning import AvatarWanted
from musetalk_fast.rendering.shared_avatars import SharedAvatars

PORTRAIT = Path(__file__).parents[2] / "examples/portrait.png"


def test_an_avatar_is_opened_again_only_if_something_is_different(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    shutil.copy(PORTRAIT, path)
    known, opened = SharedAvatars(), []

    def see(**output: object) -> AvatarSource:
        settings = Settings(
            avatar=AvatarSettings(face_check=False), output=OutputSettings(**output)
        )
        wanted = AvatarWanted(path, tmp_path / "o.mp4", settings, opened.append, lambda: None)
        return known.see(wanted, lambda _event: None).avatar

    first = see()
    assert see() is first
    assert known.asset(first) is known.asset(first)
    rows = {key: known.still_rows(first, key, object) for key in "ab"}
    assert rows == {key: known.still_rows(first, key, object) for key in "ab"}
    assert rows["a"] is not rows["b"]
    assert see(crf=30) is not first
    os.utime(path, ns=(1, 1))
    assert see() is not first
    for width in (256, 320, 384, 448):
        see(resolution=(width, width))
    assert len(known._known) == 4, "no more stay in memory"
    assert known.asset(first).sha256 == known.asset(see()).sha256
    assert len(opened) == 9


def test_who_waits_hears_what_was_found() -> None:
    known, heard = SharedAvatars(), []
    barrier = threading.Barrier(3)

    def see(_number: int) -> AvatarSource:
        events: list[Event] = []
        wanted = AvatarWanted(
            PORTRAIT, Path("o.mp4"), Settings(), lambda _avatar: None, lambda: None
        )
        barrier.wait(60)
        seen = known.see(wanted, events.append)
        heard.append(sum(isinstance(event, FacesEvent) for event in events))
        return seen.avatar

    with ThreadPoolExecutor(3) as threads:
        assert len({id(avatar) for avatar in threads.map(see, range(3))}) == 1
    assert heard == [1, 1, 1]
