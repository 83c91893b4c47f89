"""The cluster as this machine sees it: connecting, its capacity, and its tasks and actors."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

import ray
import ray.util.scheduling_strategies

from musetalk_fast import errors
from musetalk_fast.farming.ray.event_actor import EventActor
from musetalk_fast.farming.ray.job_tasks import Message
from musetalk_fast.farming.ray.server_actor import LOST, RESOURCE, ServerActor, end_server
from musetalk_fast.threads import run_in_thread

_TASK_PROCESSORS = 2
_TRIES = 3
"""More, of a task whose worker or node is lost, or whose server is."""
_RESTARTS = 20
"""Of a server."""

_RETRIED = (
    errors.ServerUnreachableError,
    errors.ServersLostError,
    errors.StreamCutError,
    errors.ThreadLimitError,
    errors.MemoryLimitError,
)
"""What may go well on another node, or once a server is there again."""


class Cluster:
    """A connection to a cluster; a context, on whose end all tasks and servers of ours end.

    Args:
        address: `auto`, which is the cluster of RAY_ADDRESS or of this machine, or `ray://...`.

    Attributes:
        processors: that each task gets.
        events: the actor that takes what tasks say.
        servers: the actors of `serve`.
        key: of their servers.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self.processors = 1
        self.events: Any = None
        self.servers: tuple[Any, ...] = ()
        self.key = secrets.token_urlsafe(32)

    def __enter__(self) -> Cluster:
        """Connect; blocks for seconds.

        Raises:
            errors.ClusterError: there is no cluster, or it has no processors.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # After a lost connection Ray would connect to another cluster, or start one, without a
        # word, and what was asked of the first would be waited for without end.
        ray._private.auto_init_hook.enable_auto_connect = False  # noqa: SLF001
        try:
            ray.init(self._address, logging_level="ERROR", log_to_driver=False)
            # Whatever `log_to_driver` says, it prints each worker's death on stdout, which is ours.
            ray._private.worker._worker_logs_enabled = False  # noqa: SLF001
            self._look()
        except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
            raise _unreachable(self._address, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if ray.is_initialized():  # else the connection is lost, and all of ours ends with it
            for server in self.servers:
                end_server(server)
        with suppress(*LOST):
            ray.shutdown()

    def _look(self) -> None:
        most = max(_node_processors(), default=0)
        if most < 1:
            raise errors.ClusterError("no node of it has processors", where=self._address)
        self.processors = min(_TASK_PROCESSORS, most)
        # Here, where it is lost last: what was said to an actor whose node dies is lost. As a mere
        # wish (`soft`) Ray puts it elsewhere now and then.
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        actor = ray.remote(EventActor).options(
            num_cpus=0, max_restarts=-1, scheduling_strategy=here
        )
        self.events = actor.remote()

    def capacity(self) -> int:
        """Tasks of which all can be at work at a time, at least one.

        Raises:
            errors.ClusterError: the connection is lost.
        """
        with _connection_to(self._address):
            return max(1, sum(each // self.processors for each in _node_processors()))

    def serve(self, engine: str) -> None:
        """Have each `musetalk` of the cluster run a server.

        Raises:
            errors.ClusterError: it has none.
        """
        resources = ray.cluster_resources()
        count = int(resources.get(RESOURCE, 0))
        if count < 1:
            raise errors.ClusterError(
                f"no node of it has the resource {RESOURCE}",
                where=self._address,
                hint=f"""start nodes with a GPU by ray start --resources='{{"{RESOURCE}": 1}}' """
                "(2 where they have two), or name servers with -s",
            )
        actor = ray.remote(ServerActor).options(
            num_cpus=0,
            num_gpus=min(1.0, resources.get("GPU", 0) / count),
            resources={RESOURCE: 1},
            max_restarts=_RESTARTS,
            max_task_retries=-1,
        )
        self.servers = tuple(actor.remote(engine, self.key) for _ in range(count))

    async def fetch(self) -> list[Message]:
        """What tasks have said since the last time; nothing while the actor is started again.

        Raises:
            errors.ClusterError: the connection is lost.
        """
        with _connection_to(self._address), suppress(ray.exceptions.RayError):
            # In a thread: where Ray Client's connection is broken, this waits for another one.
            future = await run_in_thread(lambda: self.events.take.remote().future())
            taken: list[Message] = await _result(future)
            return taken
        return []

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in a task and return what it does; cancelled, the task is killed.

        Raises:
            errors.ClusterError: the task was lost too often.
            Exception: what the function raises.
        """
        options: dict[str, Any] = {"num_cpus": self.processors, "max_retries": _TRIES}
        if self.servers:
            options["retry_exceptions"] = list(_RETRIED)
        begun: list[Any] = []

        def begin() -> Future[Any]:
            begun.append(ray.remote(function).options(**options).remote(*arguments))
            future: Future[Any] = begun[0].future()
            return future

        try:
            return await _result(await run_in_thread(begin))  # see `fetch`
        except asyncio.CancelledError:
            for reference in begun:
                _end_task(reference)
            raise
        except ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        except ray.exceptions.RayError as error:
            raise errors.ClusterError(f"its task was lost: {_reason(error)}") from error
        except LOST as error:
            raise _lost(self._address, error) from error


async def _result(future: Future[Any]) -> Any:
    """Wait for Ray's future, and leave it alone when the wait is cancelled.

    The thread of Ray Client that ends all futures of a lost connection ends itself at the first one
    that is cancelled, and whoever waits for another answer waits for ever.
    """
    return await asyncio.shield(asyncio.wrap_future(future))


def _end_task(reference: Any) -> None:
    """Kill a task, which goes on without force; its parts stay, and its children die with it."""
    with suppress(*LOST):
        ray.cancel(reference, force=True)


@contextmanager
def _connection_to(address: str) -> Iterator[None]:
    """Ray Client raises any of these once its connection is lost."""
    try:
        yield
    except LOST as error:
        raise _lost(address, error) from error


def _lost(address: str, error: Exception) -> errors.ClusterError:
    hint = "start the cluster, then the same command again: it continues"
    message = f"the connection was lost: {_reason(error)}"
    return errors.ClusterError(message, where=address, hint=hint)


def _reason(error: Exception) -> str:
    """Its first line; where that only introduces another process's traceback, its last as well."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {others[-1].strip()}" if others and first.endswith(":") else first


def _node_processors() -> list[int]:
    return [int(each["Resources"].get("CPU", 0)) for each in ray.nodes() if each["Alive"]]


def _unreachable(address: str, error: Exception) -> errors.ClusterError:
    hint = None
    if address == "auto":
        hint = (
            "start one with `ray start --head` on this machine, name one in RAY_ADDRESS, or give "
            "--on ray://HOST:10001"
        )
    return errors.ClusterError(
        f"no Ray cluster answers: {_reason(error)}", where=address, hint=hint
    )
