"""Certificates made for the run: nothing that expires is in the repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files; those of servers and clients hold their keys, too.

    Attributes:
        ca: the authority that signed the others.
        server: for 127.0.0.1.
        elsewhere, expired: for another host; of another time.
        client: and the same in two files.
        strange_ca, strange_client: of an unknown authority.
    """

    ca: str
    server: str
    elsewhere: str
    expired: str
    client: str
    client_cert: str
    client_key: str
    strange_ca: str
    strange_client: str


def make_certificates(folder: Path) -> Certificates:
    ours, strange = trustme.CA(), trustme.CA()

    def kept(name: str, *blobs: trustme.Blob) -> str:
        path = folder / name
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return str(path)

    def both(name: str, cert: trustme.LeafCert) -> str:
        return kept(name, cert.private_key_pem, *cert.cert_chain_pems)

    past = datetime(2001, 1, 1, tzinfo=UTC)
    client = ours.issue_cert("client@example.org")
    return Certificates(
        ca=kept("ca.pem", ours.cert_pem),
        server=both("server.pem", ours.issue_cert("127.0.0.1")),
        elsewhere=both("elsewhere.pem", ours.issue_cert("gpu.example.org")),
        expired=both("expired.pem", ours.issue_cert("127.0.0.1", not_after=past)),
        client=both("client.pem", client),
        client_cert=kept("client-cert.pem", *client.cert_chain_pems),
        client_key=kept("client-key.pem", client.private_key_pem),
        strange_ca=kept("strange-ca.pem", strange.cert_pem),
        strange_client=both("strange-client.pem", strange.issue_cert("client@example.org")),
    )
