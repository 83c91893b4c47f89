"""Variables: those of settings, and those that only look like them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from musetalk_fast.config.file import PATH_VARIABLE
from musetalk_fast.config.settings import SECTIONS, kinds
from musetalk_fast.errors import InvalidSettingError

PREFIX = "MUSETALK_"
KEY_VARIABLE = "MUSETALK_API_KEY"
_OTHERS = (
    KEY_VARIABLE,
    PATH_VARIABLE,
    "MUSETALK_FRAMES",
    "MUSETALK_KERNELS",
    "MUSETALK_LOG_LEVEL",
    "MUSETALK_PROGRESS",
    "MUSETALK_SEGMENTS",
)
"""What is read from the environment beside settings."""

_OF_A_SERVICE = re.compile(
    r"MUSETALK_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_PORT_OF_A_SERVICE = re.compile(r"(tcp|udp|sctp)://.*")
"""Kubernetes gives each pod such variables of a service named musetalk-server:
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"""

_SPELLINGS = {"MUSETALK_SERVER_API_KEY": KEY_VARIABLE}
_NEAR = 0.85

Name = tuple[str, str]
"""(section, key)."""


def settings_of(environ: Mapping[str, str]) -> dict[Name, tuple[Any, str]]:
    """The settings that variables give, each with its variable; an empty one counts as unset.

    Raises:
        errors.InvalidSettingError: a value that its setting does not take.
    """
    found = {}
    for variable, (section, key) in _variables().items():
        if text := environ.get(variable):
            try:
                found[section, key] = (kinds(SECTIONS[section])[key].parse(text), variable)
            except ValueError as error:
                raise InvalidSettingError(str(error), where=variable) from None
    return found


def unused_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """A warning for each variable that its user may have meant as one of ours."""
    known = {*_variables(), *_OTHERS}
    for variable, text in environ.items():
        if not text or not variable.startswith(PREFIX) or variable in known:
            continue
        if _OF_A_SERVICE.fullmatch(variable):
            continue
        if variable.endswith("_PORT") and _PORT_OF_A_SERVICE.fullmatch(text):
            continue
        section = variable.removeprefix(PREFIX).partition("_")[0].lower()
        if near := _SPELLINGS.get(variable) or _nearest(variable, known):
            yield f"{variable} is not used; did you mean {near}?"
        elif section in SECTIONS:
            yield f"{variable} is not used: no setting has this variable"


def _variables() -> dict[str, Name]:
    """The variable of each setting."""
    found = {}
    for section, kind in SECTIONS.items():
        for key, known in kinds(kind).items():
            variable = KEY_VARIABLE if known.secret else f"{PREFIX}{section}_{key}".upper()
            found[variable] = (section, key)
    return found


def _nearest(variable: str, known: set[str]) -> str | None:
    """The variable that this one is a misspelling of."""
    names = sorted(name.removeprefix(PREFIX) for name in known)
    near = difflib.get_close_matches(variable.removeprefix(PREFIX), names, 1, _NEAR)
    return PREFIX + near[0] if near else None
