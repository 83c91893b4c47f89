"""The band's quality for a quality of the whole picture."""

import itertools

import pytest

from musetalk_fast.types import PRESETS
from musetalk_fast.video.band_quality import band_quality, keeps_size


@pytest.mark.parametrize(
    "preset", ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
)
def test_a_worse_crf_is_a_worse_crf_of_the_band(preset: str) -> None:
    found = [band_quality(preset, crf) for crf in range(16, 29)]
    crfs = [quality.crf for quality in found if quality]
    assert len(crfs) == 13
    steps = [after - before for before, after in itertools.pairwise(crfs)]
    assert all(0.8 <= step <= 1.3 for step in steps), steps
    assert all(crf == round(crf, 1) for crf in crfs)
    assert all(1.4 <= quality.ipratio <= 2.6 for quality in found if quality)


def test_the_default_keeps_its_quality_with_a_crf_of_about_two_more() -> None:
    quality = band_quality("veryfast", 20)
    assert quality is not None
    assert quality.crf == pytest.approx(22, abs=0.5)
    assert quality.ipratio == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("crf", [-1, 0, 15, 29, 51])
def test_what_was_not_measured_is_encoded_in_full(crf: int) -> None:
    """CRF 0 is lossless."""
    assert [band_quality(preset, crf) for preset in PRESETS] == [None] * len(PRESETS)


@pytest.mark.parametrize("preset", ["slower", "veryslow", "placebo", "p4", ""])
def test_presets_that_were_not_measured_are_encoded_in_full(preset: str) -> None:
    assert band_quality(preset, 20) is None


def test_where_pictures_have_few_bytes_the_band_would_need_too_many_more() -> None:
    small, large = 32 * 32, 120 * 68
    assert keeps_size("veryfast", 20, small)
    assert keeps_size("veryfast", 20, large)
    assert not keeps_size("veryfast", 26, small)
    assert not keeps_size("veryfast", 24, large)
    assert keeps_size("ultrafast", 28, large), "it has fewer bytes at any CRF"
