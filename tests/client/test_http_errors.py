"""Each status of a refusal, in our form, in an unknown one, and in a hostile one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from raw_responses import answering

from musetalk_fast import errors
from musetalk_fast.client.http_errors import raise_for_refusal

STATUSES = {
    400: (errors.ServerRefusedError, 65),
    401: (errors.NotAuthorisedError, 77),
    403: (errors.NotAuthorisedError, 77),
    404: (errors.ServerFailedError, 69),
    409: (errors.ServerFailedError, 69),
    406: (errors.ServerLimitError, 65),
    407: (errors.NotAuthorisedError, 77),
    413: (errors.ServerLimitError, 65),
    415: (errors.ServerLimitError, 65),
    418: (errors.ServerFailedError, 69),
    421: (errors.NotAServerError, 69),
    422: (errors.ServerRefusedError, 65),
    429: (errors.ServerBusyError, 75),
    500: (errors.ServerFailedError, 69),
    502: (errors.ServerFailedError, 69),
    503: (errors.ServerBusyError, 75),
    504: (errors.ServerFailedError, 69),
}


OUR_HINTS = {
    401: "give the server's key with --api-key-file FILE or in MUSETALK_API_KEY",
    403: "give the server's key with --api-key-file FILE or in MUSETALK_API_KEY",
    407: "write USER:PASSWORD@ before the proxy's name in HTTP_PROXY or HTTPS_PROXY",
    413: "give a smaller file, or raise the limit of the server or of the proxy before it "
    "(nginx: client_max_body_size)",
}


async def _refused(**answer: Any) -> errors.MuseTalkError:
    async def say(_request: web.BaseRequest) -> web.Response:
        return web.Response(**answer)

    async with answering(say) as connection:
        where = connection.address.name
        with pytest.raises(errors.MuseTalkError) as caught:
            async with connection.request("POST", "/v1/frames") as response:
                await raise_for_refusal(response, where, 5.0)
    assert caught.value.where == where
    return caught.value


@pytest.mark.parametrize("status", STATUSES)
async def test_a_status_with_our_words(status: int) -> None:
    kind, code = STATUSES[status]
    body = b'{"code": "MTF-NEW", "message": "no space", "hint": "free space"}'
    error = await _refused(status=status, body=body, content_type="application/json")
    assert type(error) is kind
    assert (error.message, error.exit_code) == ("no space", code)
    # What the user can do about these is not what the server's hint says to a program.
    assert error.hint == OUR_HINTS.get(status, "free space")


async def test_a_job_that_was_cancelled() -> None:
    body = b'{"code": "MTF-JOB-CANCELLED", "message": "it was cancelled", "hint": null}'
    error = await _refused(status=410, body=body, content_type="application/json")
    assert type(error) is errors.JobCancelledError
    assert error.exit_code == 69


_AT = "Wed, 25 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "date", "secs"),
    [
        ("7", _AT, 7.0),
        ("0.5", _AT, 0.5),
        ("Wed, 25 Nov 2026 10:01:30 GMT", _AT, 90.0),
        ("Wed, 25 Nov 2026 09:59:00 GMT", _AT, None),
        ("Wed, 25 Nov 2026 10:01:30", _AT, None),
        ("tomorrow", _AT, None),
        ("Wed, 25 Nov 99999999999999 10:00:00 GMT", _AT, None),
        ("Wed, 25 Nov 2026 10:01:30 GMT", "", None),
        ("-1", _AT, None),
        ("inf", _AT, None),
    ],
)
async def test_when_to_ask_again(asked: str, date: str, secs: float | None) -> None:
    """A time is one of the server's clock, which may be wrong."""
    error = await _refused(status=503, headers={"Retry-After": asked, "Date": date})
    assert isinstance(error, errors.ServerBusyError)
    assert error.retry_after == secs


NGINX = b"""<html>\r
<head><title>%d Request Entity Too Large</title></head>\r
<body>\r\n<center><h1>...</h1></center>\r\n</body>\r\n</html>"""
BODIES = {
    "nothing": (b"", ""),
    "spaces": (b" \r\n" * 9, ""),
    "a page": (b"<html><h1>It works!</h1></html>", ": It works!"),
    "nginx": (NGINX, ": Request Entity Too Large"),
    "a style": (b"<style>\nb {}\n</style>\n<p>Away</p>\n<p>Come</p>", ": Away"),
    "text": ("\n  Später\nmehr".encode(), ": Später"),
    "a command": (b"\x1b[2Jboo", ": [2Jboo"),
    "a long line": (b"a" * 9999, ": " + "a" * 159 + "…"),
    "JSON of others": (b'{"error": {"reason": "x"}}', ': {"error": {"reason": "x"}}'),
    "a list": (b"[1, 2]", ": [1, 2]"),
    "no text": (b'{"code": "MTF-X", "message": 7}', ': {"code": "MTF-X", "message": 7}'),
    "bytes": (bytes(range(256)), ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "words"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [401, 413, 500, 503])
async def test_a_status_without_our_form(status: int, body: bytes, words: str) -> None:
    """Whoever answered is quoted: it may be a proxy that nobody thought of."""
    kind, code = STATUSES[status]
    error = await _refused(status=status, body=body.replace(b"%d", b"%d" % status))
    assert type(error) is kind
    assert error.exit_code == code
    assert error.message == f"answered {status}{words}"
    assert error.hint


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("engine_failed", "the server's engine has failed"),
        ("out_of_memory", "the server is out of memory"),
        ("loading", "the server is loading"),
    ],
)
async def test_a_server_that_cannot_work_now_says_why(status: str, words: str) -> None:
    error = await _refused(status=503, body=b'{"status": "%s"}' % status.encode())
    assert type(error) is errors.ServerBusyError
    assert error.message == words


@pytest.mark.parametrize(
    ("text", "secs"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after(status: int, text: str, secs: float | None) -> None:
    error = await _refused(status=status, headers={"Retry-After": text})
    assert isinstance(error, errors.ServerBusyError)
    assert error.retry_after == secs


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("MTF-NO-FACE", errors.NoFaceError),
        ("MTF-FACE-SIZE", errors.FaceSizeError),
        ("MTF-FACE-OPTIONS", errors.FaceOptionsError),
        ("MTF-AUDIO-LENGTH", errors.AudioLengthError),
        ("MTF-IMAGE-FORMAT", errors.ImageFormatError),
        ("MTF-SERVER-FACES", errors.FacesDifferError),
        # What a server cannot know of us is not taken from it.
        ("MTF-OUTPUT-WRITE", errors.ServerRefusedError),
        ("MTF-INTERNAL", errors.ServerRefusedError),
    ],
)
async def test_a_token_says_more_than_the_status(
    token: str, kind: type[errors.MuseTalkError]
) -> None:
    body = f'{{"code": "{token}", "message": "so it is"}}'.encode()
    error = await _refused(status=422, body=body)
    assert type(error) is kind
    assert error.message == "so it is"


async def test_a_page_in_place_of_a_document() -> None:
    async def say(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="<html>\n<title>Router login</title>", content_type="text/html")

    async with answering(say) as connection:
        with pytest.raises(errors.NotAServerError, match="and says: Router login") as caught:
            await connection.document("/health")
        assert caught.value.where == connection.address.name


async def test_words_that_would_command_a_terminal() -> None:
    body = b'{"code": "X", "message": "\\u001b[2Jboo\\n", "hint": "\\u202eevil"}'
    error = await _refused(status=422, body=body)
    assert error.message.isprintable()
    assert (error.hint or "").isprintable()


async def test_words_without_end() -> None:
    body = b'{"code": "X", "message": "' + b"a" * 40_000 + b'"}'
    assert len((await _refused(status=422, body=body)).message) <= 500
    # A body beyond any refusal is not even read.
    assert (await _refused(status=422, body=b" " * (1 << 22) + body)).message == "answered 422"


async def test_a_server_that_falls_silent_in_its_refusal() -> None:
    async def say(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=422)
        await response.prepare(request)
        await response.write(b'{"code": ')
        await asyncio.sleep(5)
        return response

    async with answering(say, timeout_secs=0.3) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"silent for 0\.3 s"):
            async with connection.request("POST", "/v1/frames") as response:
                await raise_for_refusal(response, "x", 0.3)
