"""Loading a model leaves standard error as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from musetalk_fast.media.face import FaceFinder, model

STDERR = 2


def test_loading_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    FaceFinder()
    assert tuple(capfd.readouterr()) == ("", "")


def test_what_others_write_meanwhile_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with model._without_delegate_line():
        os.write(STDERR, b"before\n" + model._DELEGATE_LINE + b"after\n")
    os.write(STDERR, b"later\n")
    assert capfd.readouterr().err == "before\nafter\nlater\n"


def test_an_error_meanwhile_restores_it(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no model"), model._without_delegate_line():
        raise ValueError("no model")
    os.write(STDERR, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_it_may_be_closed() -> None:
    script = "import os; os.close(2)\nfrom musetalk_fast.media.face import FaceFinder\nFaceFinder()"
    done = subprocess.run([sys.executable, "-c", f"{script}\nprint('loaded')"], capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"loaded\n")
