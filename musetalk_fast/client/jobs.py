"""Lists the jobs of a server, and cancels one."""

from __future__ import annotations

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.credentials import load_credentials
from musetalk_fast.client.http_errors import raise_for_refusal
from musetalk_fast.config import ServerSettings
from musetalk_fast.threads import run_in_thread
from musetalk_fast.wire.job_state import JobState, jobs_from_json

_PATH = "/v1/jobs"


async def list_jobs(connection: Connection) -> tuple[JobState, ...]:
    """The jobs that the key may see, the oldest first.

    Raises:
        errors.ServerError: it cannot be asked, or has no such list.
    """
    document = await connection.document(_PATH)
    if document is None:
        raise errors.ServerRefusedError(
            "it has no list of jobs", where=connection.address.name,
            hint="it is of an older version, or another program: only musetalk-fast has one",
        )  # fmt: skip
    return connection.read(_PATH, document, jobs_from_json)


async def cancel_job(connection: Connection, job_id: str) -> bool:
    """Cancel a job; False if the server has none of that id that the key may see.

    Raises:
        errors.ServerError: it cannot be asked.
    """
    async with connection.request("DELETE", f"{_PATH}/{job_id}") as response:
        if response.status == 404:
            return False
        await raise_for_refusal(response, connection.address.name, connection.timeout_secs)
    return True


async def connect(url: str, settings: ServerSettings) -> Connection:
    """A connection, to be opened as a context; nothing is asked yet.

    Raises:
        errors.ConfigError: the address, the key or a certificate cannot be used.
    """

    def credentials() -> Connection:
        return Connection(
            parse_address(url), settings.timeout_secs, load_credentials(settings),
            frame_timeout_secs=settings.frame_timeout_secs,
        )  # fmt: skip

    return await run_in_thread(credentials)
