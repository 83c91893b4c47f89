"""Failed TLS handshakes as errors."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import aiohttp

from musetalk_fast.errors import TlsError

_NO_TLS = "this port does not speak TLS", "use http:// if you trust the network"
_MEANINGS = {
    "CERTIFICATE_REQUIRED": ("it asks for a certificate of ours", "add --cert and --key"),
    "UNKNOWN_CA": ("it does not trust our certificate", "give one that it trusts with --cert"),
    "BAD_CERTIFICATE": ("it refuses our certificate", "give one that it trusts with --cert"),
    "CERTIFICATE_UNKNOWN": ("it refuses our certificate", "give one that it trusts with --cert"),
    "CERTIFICATE_EXPIRED": ("our certificate has expired", "renew the one named with --cert"),
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PROTOCOL_VERSION": ("it speaks only versions of TLS that are no longer safe", None),
}
"""By the last words of OpenSSL's reasons."""

_HOST_MISMATCH = frozenset((62, 63, 64))
"""X509_V_ERR_HOSTNAME_MISMATCH, ..._EMAIL_..., ..._IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""
_EXPIRED = frozenset((9, 10))
"""X509_V_ERR_CERT_NOT_YET_VALID, ..._HAS_EXPIRED."""


def tls_error(error: BaseException, where: str) -> TlsError | None:
    """What a failure says about TLS; None if TLS is not the matter."""
    for cause in _causes(error):
        if isinstance(cause, aiohttp.ClientError):
            continue  # some are SSLErrors as well, but know no reason
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _unverified(cause, where)
        if isinstance(cause, ssl.SSLError):
            return _failed(cause, where)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from; aiohttp's wrap the original in their arguments."""
    seen: list[BaseException | None] = [error]
    while seen:
        cause = seen.pop(0)
        if cause is None:
            continue
        yield cause
        seen += [each for each in cause.args if isinstance(each, BaseException)]
        seen.append(cause.__cause__)


def _unverified(error: ssl.SSLCertVerificationError, where: str) -> TlsError:
    if error.verify_code in _HOST_MISMATCH:
        hint = "use the name that the certificate has"
    elif error.verify_code in _EXPIRED:
        hint = "renew the server's certificate, and look at the clocks"
    else:
        hint = "if you trust its issuer, name the issuer's certificate with --ca-file"
    return TlsError(f"its certificate is not valid: {error.verify_message}", where=where, hint=hint)


def _failed(error: ssl.SSLError, where: str) -> TlsError:
    reason = error.reason or ""
    for words, (message, hint) in _MEANINGS.items():
        if reason.endswith(words):
            return TlsError(message, where=where, hint=hint)
    words = reason.replace("_", " ").lower() or str(error)
    return TlsError(f"the TLS handshake failed ({words})", where=where)
