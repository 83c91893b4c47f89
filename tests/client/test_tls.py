"""https: who is trusted, who must show a certificate, and what each failure is called."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificates, make_certificates
from infer_server_process import opened, pattern_server

from musetalk_fast import errors
from musetalk_fast.client.credentials import load_credentials
from musetalk_fast.config import ServerSettings


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def _fails(address: str, **settings: Any) -> errors.TlsError:
    with pytest.raises(errors.TlsError) as caught:
        async with opened(address, timeout_secs=5, **settings):
            pass
    assert caught.value.where == address
    assert (caught.value.token, caught.value.exit_code) == ("MTF-SERVER-TLS", 69)
    return caught.value


async def test_a_certificate_must_be_trusted(certificates: Certificates) -> None:
    with pattern_server(tls={"cert": certificates.server}) as address:
        assert address.startswith("https://127.0.0.1:")
        async with opened(address, ca_file=certificates.ca) as server:
            assert server.info.engine == "pattern"
        for trusted in ({}, {"ca_file": certificates.strange_ca}):
            error = await _fails(address, **trusted)
            assert "certificate is not valid" in error.message
            assert "--ca-file" in (error.hint or "")


async def test_a_certificate_must_name_the_host(certificates: Certificates) -> None:
    with pattern_server(tls={"cert": certificates.elsewhere}) as address:
        error = await _fails(address, ca_file=certificates.ca)
    assert "IP address mismatch" in error.message
    assert "name that the certificate has" in (error.hint or "")


async def test_a_certificate_must_not_have_expired(certificates: Certificates) -> None:
    with pattern_server(tls={"cert": certificates.expired}) as address:
        error = await _fails(address, ca_file=certificates.ca)
    assert "expired" in error.message
    assert "renew" in (error.hint or "")


async def test_a_server_may_ask_for_a_certificate_of_ours(certificates: Certificates) -> None:
    tls = {"cert": certificates.server, "client_ca": certificates.ca}
    with pattern_server(tls=tls) as address:
        for shown in (
            {"cert": certificates.client},
            {"cert": certificates.client_cert, "key": certificates.client_key},
        ):
            async with opened(address, ca_file=certificates.ca, **shown) as server:
                assert server.info.engine == "pattern"
        for shown in ({}, {"cert": certificates.strange_client}):
            with pytest.raises(errors.ServerUnreachableError) as caught:
                async with opened(address, ca_file=certificates.ca, timeout_secs=5, **shown):
                    pass
            assert "--cert" in (caught.value.hint or "")


@contextmanager
def _alerting(certificates: Certificates) -> Iterator[str]:
    """A server that asks for a certificate and says why it hangs up."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates.server)
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        for _ in range(2):  # aiohttp tries a GET again
            refuse_one()

    def refuse_one() -> None:
        raw, _ = listener.accept()
        with raw, context.wrap_socket(raw.dup(), True, do_handshake_on_connect=False) as secure:
            with suppress(ssl.SSLError):
                secure.do_handshake()
            while raw.recv(1 << 16):  # else what is unread would take the alert with it
                pass

    thread = threading.Thread(target=refuse)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


async def test_a_server_that_says_why_is_understood(certificates: Certificates) -> None:
    with _alerting(certificates) as address:
        error = await _fails(address, ca_file=certificates.ca)
    assert "asks for a certificate of ours" in error.message
    assert "--cert" in (error.hint or "")
    with _alerting(certificates) as address:
        error = await _fails(address, ca_file=certificates.ca, cert=certificates.strange_client)
    assert "our certificate" in error.message or "does not trust" in error.message


async def test_what_speaks_no_tls_is_named(certificates: Certificates) -> None:
    with pattern_server() as address:
        error = await _fails(address.replace("http:", "https:"), ca_file=certificates.ca)
    assert error.message == "this port does not speak TLS"
    assert "http://" in (error.hint or "")


@pytest.mark.parametrize("client_ca", [False, True])
async def test_tls_asked_in_the_clear_is_named(certificates: Certificates, client_ca: bool) -> None:
    tls = {"cert": certificates.server} | ({"client_ca": certificates.ca} if client_ca else {})
    with pattern_server(tls=tls) as address:
        error = await _fails(address.replace("https:", "http:"), api_key="k")
    assert (error.message, error.hint) == ("this port speaks TLS", "use https://")


async def test_what_only_hangs_up_speaks_no_tls() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(errors.ServerUnreachableError, match="no connection") as caught:
        async with opened(address, timeout_secs=5):
            pass
    assert not isinstance(caught.value, errors.TlsError)
    server.close()


async def test_a_handshake_that_is_cut_is_no_crash(certificates: Certificates) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        peer, _ = listener.accept()
        peer.recv(10)
        peer.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        with pytest.raises(errors.ServerUnreachableError):
            async with opened(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout_secs=5):
                pass
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ca_file": "/none.pem"}, "No such file"),
        ({"cert": "/none.pem"}, "No such file"),
        ({"key": "/some.pem"}, "without the certificate"),
    ],
)
def test_files_must_be_there(settings: dict[str, str], message: str) -> None:
    with pytest.raises(errors.InvalidSettingError, match=message):
        load_credentials(ServerSettings(**settings))


def test_files_must_be_what_they_are_called(certificates: Certificates, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for settings in (
        {"ca_file": str(junk)},
        {"cert": str(junk)},
        {"cert": certificates.client_cert},  # without its key
        {"cert": certificates.client_cert, "key": certificates.ca},
    ):
        with pytest.raises(errors.InvalidSettingError, match="not ") as caught:
            load_credentials(ServerSettings(**settings))
        assert caught.value.where in settings.values()


def test_an_encrypted_key_asks_no_terminal(certificates: Certificates, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(Path(certificates.client_key).read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            form.Encoding.PEM,
            form.PrivateFormat.PKCS8,
            form.BestAvailableEncryption(b"password"),
        )
    )
    with pytest.raises(errors.InvalidSettingError, match="unencrypted"):
        load_credentials(ServerSettings(cert=certificates.client_cert, key=str(locked)))
