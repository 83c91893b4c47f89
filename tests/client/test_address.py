"""What `-s/--server` may say, and what it may not."""

from __future__ import annotations

import pytest

from musetalk_fast.client.address import parse_address
from musetalk_fast.errors import InvalidSettingError


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("https://gpu.example.org", "https://gpu.example.org"),
        ("https://gpu.example.org/tenants/7/", "https://gpu.example.org/tenants/7"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("HTTP://gpu:8000", "http://gpu:8000"),
        ("HttpS://GPU/A/", "https://GPU/A"),
    ],
)
def test_an_address_of_http(text: str, base: str) -> None:
    address = parse_address(text)
    assert (address.base, address.name, address.socket) == (base, base, None)


def test_a_unix_socket() -> None:
    address = parse_address("unix:/run/musetalk.sock")
    assert (address.name, address.socket) == ("unix:/run/musetalk.sock", "/run/musetalk.sock")
    assert address.base == "http://localhost"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gpu",
        "gpu:8000",
        "localhost:8000",
        "ftp://gpu",
        "http://",
        "http://:8000",
        "http://gpu:0",
        "http://gpu:65536",
        "http://gpu:port",
        "http://[::1",
        "unix:",
        "file:///etc/passwd",
        "http://gpu :8000",
        "http://gpu:8000/a\nb",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        parse_address(text)
    assert "http://HOST:PORT" in (caught.value.hint or "")
    assert caught.value.where


@pytest.mark.parametrize(
    "text",
    [
        *("http://anna:s3cret@gpu:8000", "https://s3cret@gpu", "anna:s3cret@gpu"),
        *("http://gpu/?token=s3cret", "http://gpu?s3cret", "gpu:8000/#s3cret"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        parse_address(text)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
    assert "--api-key-file" in (caught.value.hint or "")
