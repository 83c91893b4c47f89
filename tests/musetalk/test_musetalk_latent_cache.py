"""The folder of prepared avatars: what in it is ours."""

from __future__ import annotations

import pytest

from musetalk_fast.engines.musetalk.latent_cache import LatentCache, latents_key
from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.storage import AtomicFile


def test_only_unfinished_files_of_ours_are_removed(tmp_path) -> None:
    """Whoever named the folder may keep others in it."""
    theirs = ["render.mp4.0badcafe.tmp", f"{'a' * 59}.0badcafe.tmp", f"{'g' * 60}.0badcafe.tmp"]
    for name in theirs:
        (tmp_path / name).touch()
    with AtomicFile(LatentCache(tmp_path, 1).path(latents_key("test"))) as written:
        left = written.unfinished.with_suffix("").with_suffix(".0badcafe.tmp")
        left.touch()
        LatentCache(tmp_path, 1)
        assert written.unfinished.exists()
        assert not left.exists()
    assert {path.name for path in tmp_path.iterdir()} == set(theirs)


def test_a_folder_that_cannot_be_is_said(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputPlaceError) as caught:
        LatentCache(tmp_path / "file" / "latents", 1)
    assert "--latents-dir" in caught.value.hint
