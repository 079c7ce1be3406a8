"""The page: a bedside monitor in a browser, served by the device itself, needing nothing from elsewhere.

Only this machine sees it unless the configuration says otherwise, and then only by TLS (or behind a proxy that does
it) and with tokens. ``send`` and ``observe`` never wait: the server has a thread and an event loop of its own.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from edge.clock import Clock
from edge.names import NO_HOST, is_host
from edge.ranges import Count, Port, Text
from edge.sinks._command_fields import LONGEST_BYTES
from edge.sinks._listener import listen
from edge.sinks.evidence import Evidence
from edge.sinks.web.access import Access, is_loopback, load_tokens
from edge.sinks.web.certificate import Certificate
from edge.sinks.web.impatient import ImpatientLoop, impatient_protocol
from edge.sinks.web.past import Past
from edge.sinks.web.picture import Picture, Watching
from edge.sinks.web.sessions import SessionFile
from edge.sinks.web.traces import Traces, channels_read
from edge.types import Alarm, Block, Command, ConfigError, Event

log = logging.getLogger(__name__)

_STOP_S = 5.0
_CONNECTIONS_BESIDE = 40
_TURNED_AWAY_POLITELY = 10  # connections that are told that the server is busy


def build(
    *,
    device_name: str,
    clock: Clock,
    boot: str,
    on_command: Callable[[Command], None],
    version: str = "",
    hops: Mapping[str, float] | None = None,
    standing: Sequence[Alarm] = (),
    layout: Mapping[str, Any] | None = None,
    watching: Watching | None = None,
    history: Evidence | None = None,
    state_dir: Path | None = None,
    header: Callable[[], Mapping[str, Any]] = dict,
    host: str = "127.0.0.1",
    port: Port = 8080,
    cert_file: Text | None = None,
    key_file: Text | None = None,
    behind_proxy: bool = False,
    token_file: Text | None = None,
    token_env: Text | None = None,
    hosts: tuple[str, ...] = (),
    local_role: Literal["view", "acknowledge", "configure"] = "configure",
    max_viewers: Count = 50,
    checking: bool = False,
) -> WebSink | None:
    """The page, at http://127.0.0.1:8080 unless told otherwise.

    host, port: where to listen; anything but loopback needs TLS or a proxy, and tokens; port 0 = any free one.
    cert_file, key_file: PEM files, the key without a passphrase; both together turn TLS on; where they are renewed,
    browsers are shown the new ones. behind_proxy: a proxy in front does the TLS, passes Host and appends to
    X-Forwarded-For. token_file, token_env: a file, or the name of an environment variable, with lines
    ``role token [name]``; roles are view, acknowledge (also ack, pause, reset and site) and configure (also standby and
    shelve); a log-in lasts while its page is open and 12 h more, over restarts, too. hosts: further names by which
    browsers reach the page. local_role: everybody's role where there are no tokens. max_viewers: so many browsers at
    once.
    """
    if not is_host(host):
        raise ConfigError(f"sinks.web.host: {host[:80]!r} {NO_HOST}")
    tokens = load_tokens(token_file, token_env)
    loopback = is_loopback(host)
    tls = _certificate(cert_file, key_file)
    if not loopback and not tls and not behind_proxy:
        raise ConfigError(
            f"sinks.web: {host} is open to the network: set cert_file and key_file, or behind_proxy = true"
        )
    if (not loopback or behind_proxy) and not tokens:
        raise ConfigError("sinks.web: a page that others can reach needs tokens: set token_file or token_env")
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
    import websockets  # noqa: F401

    if checking:
        return None
    own_names = () if loopback and not behind_proxy else (socket.gethostname(), f"{socket.gethostname()}.local")
    about = {
        "v": 1,
        "device": device_name,
        "boot": boot,
        "version": version,
        "hops": dict(hops or {}),
        "layout": dict(layout or {}),
    }
    listener = listen("sinks.web", host, port, max_viewers + _CONNECTIONS_BESIDE + _TURNED_AWAY_POLITELY)
    kept = SessionFile(state_dir, clock) if tokens and state_dir is not None else None
    lasting: dict[str, Any] = {"sessions": kept.load(tokens), "keep": kept.save} if kept is not None else {}
    return WebSink(
        listener=listener,
        sessions=kept,
        tls=tls,
        access=Access(
            tokens=tokens,
            local_role=local_role,
            hosts=(*hosts, *own_names),
            loopback=loopback and not behind_proxy,
            secure=bool(tls) or behind_proxy,
            **lasting,
        ),
        picture=Picture(clock=clock, about=about, standing=standing, watching=watching),
        traces=Traces(channels=channels_read(str(header().get("config", "")))),
        clock=clock,
        on_command=on_command,
        proxied=behind_proxy,
        past=Past(history) if history is not None else None,
        max_viewers=max_viewers,
    )


def _certificate(cert_file: str | None, key_file: str | None) -> Certificate | None:
    """Both files of a certificate that can be used, or none of them; raises ConfigError."""
    if bool(cert_file) != bool(key_file):
        raise ConfigError("sinks.web: TLS needs both cert_file and key_file")
    return Certificate(cert_file, key_file) if cert_file and key_file else None


def _ours(record: logging.LogRecord) -> bool:
    """Whether the server failed, and not a client, which is told so and let go: as for all else that it does wrong."""
    return not record.getMessage().startswith("Invalid UTF-8")


class WebSink:
    """See ``build``. url: where the page is."""

    def __init__(
        self,
        *,
        listener: socket.socket,
        tls: Certificate | None,
        access: Access,
        picture: Picture,
        traces: Traces,
        clock: Clock,
        on_command: Callable[[Command], None],
        proxied: bool,
        max_viewers: int,
        past: Past | None = None,
        sessions: SessionFile | None = None,
    ) -> None:
        import uvicorn

        from edge.sinks.web.app import Page
        from edge.sinks.web.viewers import Audience

        self._picture, self._traces, self._listener, self._sessions = picture, traces, listener, sessions
        audience = Audience(picture=picture, traces=self._traces, clock=clock, limit=max_viewers)
        page = Page(access=access, audience=audience, clock=clock, on_command=on_command, proxied=proxied, past=past)
        host, port = listener.getsockname()[:2]
        named = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{named}:{port}/"
        config = uvicorn.Config(
            page.application(),
            loop=f"{ImpatientLoop.__module__}:{ImpatientLoop.__name__}",
            http=impatient_protocol(),
            ws="websockets-sansio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws_max_size=LONGEST_BYTES,
            ws_max_queue=8,
            ws_ping_interval=10.0,
            ws_ping_timeout=10.0,
            ws_per_message_deflate=False,
            limit_concurrency=max_viewers + _CONNECTIONS_BESIDE,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16_384,
            ssl_context_factory=(lambda _config, _default: tls.context) if tls else None,
        )
        for name in ("uvicorn.error", "uvicorn.asgi"):
            logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger("uvicorn.error").addFilter(_ours)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="edge-web", daemon=True)
        self._thread.start()
        log.info("the page is at %s", self.url)

    def send(self, event: Event) -> None:
        """Take an event; never waits."""
        self._picture.take(event)
        step = isinstance(event, Alarm) and event.condition == "clock_step" and event.presence == "on"
        if step and self._sessions is not None:
            self._sessions.clock_was_set()

    def observe(self, block: Block) -> None:
        """Any thread: take a block that enters a window; never waits."""
        self._traces.take(block)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - nobody is waited for: a browser asks again
        return True

    def close(self) -> None:
        """Let every viewer go; calling twice is harmless."""
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._listener.close()
        if self._sessions is not None:
            self._sessions.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except (Exception, SystemExit):
            log.exception("the page's server failed; monitoring goes on without it")
        finally:
            self._listener.close()  # a browser that comes now is refused and does not wait for an answer
