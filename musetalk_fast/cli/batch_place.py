"""Where a batch runs: on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musetalk_fast.errors import UsageError

if TYPE_CHECKING:
    from musetalk_fast.batching import BatchListener, BatchOptions, Job
    from musetalk_fast.batching.report import JobRecord
    from musetalk_fast.config import Settings

Render = Callable[..., Coroutine[Any, Any, None]]
"""(jobs, listener, records of earlier batches, options=) -> renders them."""

_RAY = "ray"


class ClusterAddress(click.ParamType):  # type: ignore[type-arg]
    """`ray`, or `ray://HOST:PORT`; its value is the address as Ray takes it."""

    name = "ray[://HOST:PORT]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address; fails where it is none."""
        text = str(value)
        if text == _RAY:
            return "auto"
        host, _, port = text.removeprefix(f"{_RAY}://").rpartition(":")
        if text.startswith(f"{_RAY}://") and host and port.isascii() and port.isdigit():
            return text
        message = f"{text!r} is neither ray nor ray://HOST:PORT (PORT is 10001, if nobody chose)"
        raise click.BadParameter(message, ctx=ctx, param=param)


def render_with(cluster: str | None, engine: str | None, settings: Settings) -> Render:
    """What renders the jobs of a batch.

    Args:
        cluster: the address of a Ray cluster; None: this machine does it.
        engine: of the servers that the cluster runs.

    Raises:
        errors.UsageError: no cluster for the engine, no server for the cluster, or Ray is not
            installed.
    """
    if cluster is None:
        if engine is not None:
            raise UsageError("--serve needs --on ray", hint="name a server with -s")
        return _here
    if engine is None and settings.server.url is None:
        hint = "give -s URL that all nodes reach, -s builtin for previews, or --serve ENGINE"
        raise UsageError("--on ray needs to know which servers make the mouths", hint=hint)
    if engine is not None and settings.server.url is not None:
        raise UsageError("--serve and -s/--server are two answers to which servers to use")
    try:
        from musetalk_fast.farming.ray.ray_batch import render_on_ray
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != _RAY:
            raise
        hint = "pip install 'musetalk-fast[ray]', here and on all nodes of the cluster"
        raise UsageError("--on ray needs Ray, which is not installed", hint=hint) from None
    return partial(render_on_ray, address=cluster, engine=engine)


async def _here(
    jobs: Sequence[Job],
    listener: BatchListener,
    records: Mapping[Path, JobRecord],
    options: BatchOptions,
) -> None:
    from musetalk_fast.batching import FinishedVideos, render_all

    await render_all(jobs, listener, FinishedVideos(records), options)
