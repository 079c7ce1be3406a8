"""The routes: the page's files, log-in and log-out, and the socket. Every request passes the same door.

The door: the Host must name this server (against rebinding), what acts must come from a page of this server (Origin),
and every answer carries a policy that lets nothing in from elsewhere and lets nobody frame or keep the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import math
import mimetypes
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.clock import Clock
from edge.plain import object_of
from edge.sinks._command_fields import RefusedCommandError, read
from edge.sinks.web.access import Access, Person
from edge.sinks.web.past import Past
from edge.sinks.web.past_routes import PastRoutes, RefusedError, refusal
from edge.sinks.web.viewers import Audience, Viewer
from edge.types import Command

log = logging.getLogger(__name__)

COOKIE: Final = "edge_vitals_session"
STATIC: Final = Path(__file__).with_name("static")
TOO_MANY: Final = 4013
OVER: Final = 4001
POLICY: Final = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS: Final = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=()",
}
_COOKIE_S: Final = 400 * 86_400  # as long as browsers keep one; whether its session lasts is ours to say
_BODY_MAX: Final = 2048
_SEND_S: Final = 10.0  # a viewer that takes nothing for so long is gone
_COMMANDS: Final = (20, 10.0)  # so many in so many seconds from one viewer
_TIME: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,3})?")


class Page:
    """What the routes share. proxied: the client's address is the proxy's last entry of X-Forwarded-For."""

    def __init__(
        self,
        *,
        access: Access,
        audience: Audience,
        clock: Clock,
        on_command: Callable[[Command], None],
        proxied: bool,
        past: Past | None = None,
    ) -> None:
        self._access, self._audience, self._clock = access, audience, clock
        self._on_command, self._proxied, self._past = on_command, proxied, past
        self._files = {p.name: p.read_bytes() for p in STATIC.iterdir() if p.is_file()}
        self._page = hashlib.sha256(b"".join(self._files[name] for name in sorted(self._files))).hexdigest()[:16]

    def application(self) -> ASGIApp:
        """The ASGI application."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> Any:
            async with self._audience.feeding():
                yield

        routes = [
            Route("/", self._index, methods=["GET"]),
            Route("/login", self._elsewhere, methods=["GET"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/session", self._session, methods=["GET"]),
            Route("/static/{name}", self._static, methods=["GET"]),
            *PastRoutes(self._past, self._person, self._view, self._clock.wall).routes(),
            WebSocketRoute("/live", self._live),
        ]
        handlers = {RefusedError: refusal}
        return _Door(Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers), self._access)

    # ---- pages ---------------------------------------------------------------------------------------------

    async def _index(self, request: Request) -> Response:
        return self._view(request, "index.html")

    def _view(self, request: Request, name: str) -> Response:
        """A page, or in its place, at the same address, the one that asks who wants to see it."""
        return self._file(name if self._person(request) else "login.html")

    async def _elsewhere(self, request: Request) -> Response:
        """Browsers remember an address at which the log-in once stood."""
        return RedirectResponse(f"/?{request.url.query}".rstrip("?"), status_code=303)

    async def _static(self, request: Request) -> Response:
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        body = self._files.get(name)
        if body is None:
            return Response("no such file\n", 404, media_type="text/plain")
        return Response(body, media_type=mimetypes.guess_type(name)[0] or "application/octet-stream")

    # ---- who it is -----------------------------------------------------------------------------------------

    def _person(self, request: HTTPConnection) -> Person | None:
        return self._access.person(request.cookies.get(COOKIE, ""), self._clock.now())

    async def _session(self, request: Request) -> Response:
        person = self._person(request)
        if person is None:
            return JSONResponse({"error": "not logged in"}, 401)
        return JSONResponse({"role": person.role, "name": person.name})

    async def _login(self, request: Request) -> Response:
        body = await _body(request)  # first: between the look at the limit and the count nobody else has a turn
        now, address = self._clock.now(), self._address(request)
        wait_s = math.ceil(self._access.limit.wait_s(address, now))  # who waits as long as told is not refused again
        if wait_s > 0:
            error = f"too many attempts; try again in {wait_s} s"
            return JSONResponse({"error": error}, 429, {"retry-after": str(wait_s)})
        token = (object_of(body or b"") or {}).get("token")
        session = self._access.login(token, now) if isinstance(token, str) else None
        if session is None:
            self._access.limit.failed(address, now)
            log.warning("page: log-in from %s refused", address)
            return JSONResponse({"error": "this token is not known here"}, 403)
        self._access.logout(request.cookies.get(COOKIE, ""))
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE, session, max_age=_COOKIE_S, httponly=True, samesite="strict", secure=self._access.secure
        )
        return response

    async def _logout(self, request: Request) -> Response:
        self._access.logout(request.cookies.get(COOKIE, ""))
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._access.secure)
        return response

    def _address(self, request: Request) -> str:
        if self._proxied:
            entries = ",".join(request.headers.getlist("x-forwarded-for"))  # some proxies append a line of their own
            return entries.rpartition(",")[2].strip()[:64] or "proxy"
        return request.client.host if request.client else "unknown"

    # ---- the socket ----------------------------------------------------------------------------------------

    async def _live(self, socket: WebSocket) -> None:
        person = self._person(socket)
        if person is None:
            await socket.close(OVER)
            return
        await socket.accept()
        about = {"role": person.role, "by": person.name, "login": not self._access.open, "page": self._page}
        viewer = self._audience.join(person.name, confirms="confirms" in socket.query_params, **about)
        if viewer is None:
            await socket.close(TOO_MANY, "too many viewers")
            return
        tasks = [asyncio.create_task(self._send(socket, viewer)), asyncio.create_task(self._receive(socket, viewer))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._audience.leave(viewer)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect | OSError):
                    log.error("page: a viewer's socket failed", exc_info=outcome)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                await socket.close(OVER)

    async def _send(self, socket: WebSocket, viewer: Viewer) -> None:
        with contextlib.suppress(TimeoutError):
            while not viewer.overflowed and self._person(socket) is not None:
                await viewer.wake.wait()
                viewer.wake.clear()
                async with asyncio.timeout(_SEND_S):
                    await viewer.room()
                    await socket.send_text(self._audience.message(viewer).decode())

    async def _receive(self, socket: WebSocket, viewer: Viewer) -> None:
        allowed, within_s = _COMMANDS
        recent: deque[float] = deque(maxlen=allowed)
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or ""  # none in a binary message, which is no command either
            if _TIME.fullmatch(text):
                viewer.has(float(text))
                continue
            now = self._clock.now()
            person = self._person(socket)
            if person is None:
                return
            if len(recent) == allowed and now - recent[0] < within_s:
                viewer.offer([_refusal("", "too many commands at once")], {}, [])
                continue
            recent.append(now)
            command = _command(text, now, person)
            if isinstance(command, bytes):
                viewer.offer([command], {}, [])
            else:
                self._on_command(command)


def _command(text: str, now: float, person: Person) -> Command | bytes:
    """A message of the page as a command, or the answer that refuses it."""
    said = read(text)
    try:
        fields = said.fields(needs=("command", "command_id"), may=("bed", "id", "occurrence", "site"))
    except RefusedCommandError as refused:
        return _refusal(said.text("command_id"), str(refused))
    name = fields.pop("command")
    if not person.may(name):
        return _refusal(fields["command_id"], f"the role {person.role!r} may not {name}")
    return Command(name, t=now, by=f"page:{person.name}", **fields)


def _refusal(command_id: str, text: str) -> bytes:
    return json.dumps({"k": "c", "command_id": command_id, "ok": False, "text": text}).encode()


async def _body(request: Request) -> bytes | None:
    """The request's body; None when it is longer than any that is meant well, or broken off."""
    body = b""
    with contextlib.suppress(ClientDisconnect):
        async for chunk in request.stream():
            body += chunk
            if len(body) > _BODY_MAX:
                return None
        return body
    return None


def _acts(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")


class _Door:
    """Checks where a request comes from, and puts the policy on every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, refusal = headers.get("host", ""), ""
        if len(headers.getlist("host")) != 1 or not self._access.host_ok(host):
            refusal = "this server does not answer for that name; add it to [sinks.web] hosts"
        elif _acts(scope) and not self._access.origin_ok(headers.get("origin", ""), host):
            refusal = "only a page of this server may do that"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for key, value in HEADERS.items():
                    answer[key] = value
                if self._access.secure:
                    answer["strict-transport-security"] = "max-age=31536000"
            await send(message)

        if not refusal:
            await self._app(scope, receive, guarded)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await Response(f"{refusal}\n", 403, media_type="text/plain")(scope, receive, guarded)
