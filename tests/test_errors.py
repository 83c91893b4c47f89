"""The tree of errors in the package's description is the tree of classes."""

from __future__ import annotations

import re

from musetalk_fast import errors
from musetalk_fast.errors import MuseTalkError

ROW = re.compile(r"(?m)^((?:[│ ]   )*(?:[├└]── )?)(\w+Error)(?: +(\d+))?(?= |$)")


def test_the_described_tree_is_the_tree() -> None:
    above: list[type[MuseTalkError]] = []
    described = []
    for line, name, code in ROW.findall(errors.__doc__ or ""):
        kind = getattr(errors, name)
        above[len(line) // 4 :] = [kind]
        assert len(above) == len(line) // 4 + 1, name
        parent = above[-2] if len(above) > 1 else Exception
        assert parent in kind.__bases__, name
        assert kind.exit_code == int(code or getattr(parent, "exit_code", kind.exit_code)), name
        described.append(name)
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert set(described) == kinds
    assert len(described) == len(kinds)


def test_a_token_names_one_error() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len({kind.token for kind in kinds}) == len(kinds)
    assert {errors.error_class(kind.token) for kind in kinds} == set(kinds)
    assert errors.error_class("MTF-NO-SUCH") is None


def test_every_error_is_described_and_made_in_the_package() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        assert kind.__doc__
        assert kind.__module__.startswith("musetalk_fast.errors.")
        assert issubclass(kind, MuseTalkError)
