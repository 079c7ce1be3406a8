"""Routes of the alarm history: whoever may look may read it; who may answer alarms may also take it away as files."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import math
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import Any, Final

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge.clock import iso
from edge.sinks.web.access import Person
from edge.sinks.web.past import Past
from edge.types import PRIORITIES

_COLUMNS: Final = (
    "raised",
    "ended",
    "bed",
    "condition",
    "source",
    "kind",
    "priority",
    "presence",
    "text",
    "id",
    "occurrence",
)
_OCCURRENCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_WORD: Final = re.compile(r"[a-z0-9_-]{0,64}")
_AT_ONCE: Final = 2  # waveforms that are prepared at a time, whoever asks


class RefusedError(Exception):
    """Why a request gets no answer. status: HTTP's code for it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def refusal(_request: Request, error: Exception) -> Response:
    """The response to a request that was refused: Starlette's handler of ``RefusedError``."""
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": str(error)}, error.status)


class PastRoutes:
    """See the module. person: whose request it is, None = nobody's. page: answers with a page, or asks for the log-in.
    wall: the time by this machine's clock, as the alarms have it, Unix time, s: a browser's may be another."""

    def __init__(
        self,
        past: Past | None,
        person: Callable[[HTTPConnection], Person | None],
        page: Callable[[Request, str], Response],
        wall: Callable[[], float],
    ) -> None:
        self._past, self._person, self._page, self._wall = past, person, page, wall
        self._turn = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[Route]:
        return [
            Route("/alarms", self._index, methods=["GET"]),
            Route("/history", self._list, methods=["GET"]),
            Route("/history.csv", self._table, methods=["GET"]),
            Route("/history/{occurrence}", self._one, methods=["GET"]),
            Route("/history/{occurrence}/recording", self._recording, methods=["GET"]),
        ]

    async def _index(self, request: Request) -> Response:
        return self._page(request, "alarms.html")

    async def _list(self, request: Request) -> Response:
        person, asked = self._question(request)
        answer = await self._read(lambda past: past.listing(asked))
        return _json({**answer, "exports": person.exports})

    async def _one(self, request: Request) -> Response:
        _, occurrence = self._admitted(request), request.path_params["occurrence"]
        async with self._turn:
            answer = await self._read(lambda past: past.one(occurrence) if _OCCURRENCE.fullmatch(occurrence) else None)
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        return await asyncio.to_thread(_json, {**answer, "now": self._wall()}, zipped=zipped)

    async def _table(self, request: Request) -> Response:
        _, asked = self._question(request, export=True)
        answer = await self._read(lambda past: past.rows(asked))
        return StreamingResponse(self._tabled(asked, answer), media_type="text/csv", headers=_attached("alarms.csv"))

    async def _tabled(self, asked: Mapping[str, Any], rows: list[dict[str, Any]]) -> AsyncIterator[str]:
        """The whole table, as many rows at a time as are read at once; breaks off where it cannot be read to its end."""
        yield _csv([_COLUMNS])
        while rows:
            yield _csv([[_cell(row, column) for column in _COLUMNS] for row in rows])
            try:
                rows = await self._read(methodcaller("rows", {**asked, "beyond": rows[-1]["occurrence"]}))
            except RefusedError:
                raise OSError("the history could not be read to its end") from None

    async def _recording(self, request: Request) -> Response:
        _, occurrence = self._admitted(request, export=True), request.path_params["occurrence"]
        answer = await self._read(
            lambda past: past.recording(occurrence) if _OCCURRENCE.fullmatch(occurrence) else None
        )
        return FileResponse(answer, media_type="application/octet-stream", headers=_attached(f"{occurrence}.evrec"))

    def _admitted(self, request: Request, *, export: bool = False) -> Person:
        """Whose request it is; raises RefusedError."""
        person = self._person(request)
        if person is None:
            raise RefusedError(401, "not logged in")
        if export and not person.exports:
            raise RefusedError(403, f"the role {person.role!r} may not take recordings away")
        return person

    def _question(self, request: Request, *, export: bool = False) -> tuple[Person, dict[str, Any]]:
        """Whose request it is and which alarms it asks for; raises RefusedError."""
        person, asked = self._admitted(request, export=export), _asked(request.query_params, self._wall())
        if asked is None:
            raise RefusedError(400, "not a question about alarms")
        return person, asked

    async def _read(self, read: Callable[[Past], Any]) -> Any:
        """What is read beside the server's own thread; raises RefusedError."""
        if self._past is None:
            raise RefusedError(404, "no history is kept here")
        try:
            answer = await asyncio.to_thread(read, self._past)
        except (OSError, sqlite3.Error):
            raise RefusedError(503, "the history cannot be read now") from None
        if answer is None:
            raise RefusedError(404, "no such alarm")
        return answer


def _asked(query: Mapping[str, str], wall: float) -> dict[str, Any] | None:
    """The filters of a query; None where they are not such. wall: the present, Unix time, s."""
    asked: dict[str, Any] = {}
    for key, value in query.items():
        if key in ("bed", "condition", "kind", "priority"):
            if not _WORD.fullmatch(value) or (key == "priority" and value and value not in PRIORITIES):
                return None
            asked[key] = value
        elif key == "beyond":
            if not _OCCURRENCE.fullmatch(value):
                return None
            asked[key] = value
        elif key in ("within", "limit"):
            try:
                number = float(value)
            except ValueError:
                return None
            if not math.isfinite(number):
                return None
            if key == "limit":
                asked["limit"] = int(number)
            else:
                asked["after"] = wall - number
        else:
            return None
    return asked


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _cell(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if column in ("raised", "ended"):
        return "" if value is None else iso(value)
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text  # a table program must not take it for a formula


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _json(content: Any, *, zipped: bool = False) -> Response:
    body = msgspec.json.encode(content)
    if not zipped:
        return Response(body, media_type="application/json")
    return Response(gzip.compress(body, 6), media_type="application/json", headers={"content-encoding": "gzip"})
