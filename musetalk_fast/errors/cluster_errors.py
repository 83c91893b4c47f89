"""Errors of the cluster that `--on` names."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "ClusterError",
]


class ClusterError(MuseTalkError):
    """The cluster that the work was given to is absent, cannot do it, or has lost it."""

    token = "MTF-CLUSTER"
    exit_code = 69
    default_hint = "look at it with `ray status`; the same command again continues"
