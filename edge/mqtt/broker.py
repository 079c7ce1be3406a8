"""A broker: how it is reached, with what TLS and password, and whether it is there at all."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass

from edge.names import NO_HOST, is_host
from edge.passwords import password_in
from edge.types import ConfigError

_THERE_S = 1.0
_ALERT_S = 1.0  # a broker that wants another certificate says so after the handshake
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH
_CERTIFICATE_FAULTS = {9: "tls_expired", 10: "tls_expired", 62: "tls_name", 64: "tls_name"}
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_DYING_S = 0.25  # a broker that ends has dropped every connection by then


@dataclass(frozen=True, slots=True, repr=False)
class Options:
    """How to reach the broker. Its repr and messages never hold the password. port: 0 becomes 1883, or 8883 with TLS.

    Raises ConfigError where the host can be none.
    """

    host: str
    port: int
    client_id: str
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    tls: bool = False
    keepalive_s: int = 15

    def __post_init__(self) -> None:
        if not is_host(self.host):
            if set(self.host) & set(":/"):  # not repeated: a URL may hold a password
                raise ConfigError("mqtt.host: a name or address alone; the port is mqtt.port")
            raise ConfigError(f"mqtt.host: {self.host[:80]!r} {NO_HOST}")
        if not self.port:
            object.__setattr__(self, "port", 8883 if self.encrypted else 1883)

    def __repr__(self) -> str:
        return f"<broker {self.host}:{self.port}>"

    def password(self) -> str | None:
        """From the file or the environment, or None; raises ConfigError."""
        found = self._secret()
        if found is not None and not self.username:
            raise ConfigError("mqtt.username: needed, since a password is given")
        return found

    def _secret(self) -> str | None:
        if self.password_file:
            return password_in(self.password_file, "mqtt.password_file")
        if self.password_env:
            if self.password_env not in os.environ:
                raise ConfigError(f"mqtt.password_env: the environment has no {self.password_env}")
            return os.environ[self.password_env]
        return None

    @property
    def encrypted(self) -> bool:
        """Whether TLS is asked for, in so many words or by a certificate."""
        return bool(self.tls or self.ca_file or self.cert_file)

    def context(self) -> ssl.SSLContext | None:
        """TLS settings, or None without TLS; raises ConfigError."""
        if self.key_file and not self.cert_file:  # a wish for TLS; without a word everything would go in clear
            raise ConfigError("mqtt.key_file: the key of a certificate: set cert_file, too")
        if not self.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # an SSLError, too
            raise ConfigError(f"mqtt.ca_file: {self.ca_file}: {_why(error)}") from None
        if self.ca_file:
            # Since 3.13 Python wants certificates to RFC 5280's letter, which few authorities of one's own are: with an
            # upgrade a device would lose its broker. Chain, name and dates are looked at as before.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.cert_file:
            keys = "cert_file, key_file" if self.key_file else "cert_file"
            files = ", ".join(filter(None, (self.cert_file, self.key_file)))

            def passphrase() -> str:  # nobody stands at the terminal where it would be asked for
                raise ConfigError(f"mqtt.{keys}: {files}: the key has a passphrase; give one without")

            try:
                context.load_cert_chain(self.cert_file, self.key_file, passphrase)
            except OSError as error:  # which of the two files it was is not told
                raise ConfigError(f"mqtt.{keys}: {files}: {_why(error)}") from None
        return context


def listens(options: Options) -> bool:
    """Whether a broker is there that holds a connection.

    A program that ends closes its sockets one after another: where it listened may take a connection a moment after
    it dropped ours, and then drops that one too. No broker speaks before it was spoken to.
    """
    try:
        held = socket.create_connection((options.host, options.port), timeout=_THERE_S)
    except OSError:
        return False
    with held:
        held.settimeout(_DYING_S)
        try:
            return bool(held.recv(1))
        except TimeoutError:
            return True
        except OSError:
            return False


def speaks_tls(options: Options) -> bool:
    """Whether TLS is spoken at the port, whoever it is for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with _greeted(options, context):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def why_silent(options: Options) -> tuple[str, str]:
    """What the port itself tells of a broker that gives no answer, to be added to what is said, or "", and the fault."""
    context = options.context()
    if context is None:
        return (": that port wants TLS", "broker_needs_tls") if speaks_tls(options) else ("", "broker_timeout")
    try:
        with _greeted(options, context) as held:
            held.settimeout(_ALERT_S)
            held.recv(1)
    except ssl.SSLError as error:
        return f": TLS: {in_words(error)}", fault_of(error)
    except OSError:
        pass
    return "", "broker_timeout"


ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""The other end closed within the handshake, as some do whom a greeting of TLS does not concern; by Python's version."""


def fault_of(error: OSError) -> str:
    """The word of ``edge-vitals doctor`` for what kept us from a broker, by the system's and OpenSSL's own codes."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAULTS.get(error.verify_code, "tls_untrusted")
    if isinstance(error, ENDED):
        return "broker_unreachable"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if "ALERT" in reason or "CERTIFICATE_REQUIRED" in reason:  # an alert: of no, or of an unknown, certificate
            return "tls_client"
        return "broker_not_tls" if reason in _NOT_TLS else "broker_timeout"
    if isinstance(error, socket.gaierror):
        return "broker_name"
    return "broker_timeout" if isinstance(error, TimeoutError) else "broker_unreachable"


def in_words(error: ssl.SSLError) -> str:
    """OpenSSL's reason."""
    if isinstance(error, ENDED):
        return "the connection just ends"
    return (error.reason or str(error)).lower().replace("_", " ")


def _why(error: OSError) -> str:
    """Why a PEM file was not taken."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    return in_words(error) if error.reason else "not a certificate and its key in PEM"


def _greeted(options: Options, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((options.host, options.port), timeout=_THERE_S)
    try:
        return context.wrap_socket(plain, server_hostname=options.host)
    except BaseException:
        plain.close()
        raise
