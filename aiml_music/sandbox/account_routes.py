"""The routes a customer looks into the account by: the usage log, the billing ledger, the balance.

Shapes, filters and paging as AI/ML API documents them.
"""

import asyncio
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64Error
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiml_music.sandbox.account import Sandbox
from aiml_music.sandbox.answers import RefusedError, Tracing, flat_refusal, html_refusal
from aiml_music.sandbox.delivery import pause

DIRECTIONS = ("TOPUP", "CHARGE")
TYPES = ("PAYMENT", "BONUS", "REFUND", "ADJUSTMENT", "MODEL_USAGE", "CREDITS_EXPIRED", "INIT")
STATUSES = ("succeeded", "failed")

_PERIOD = re.compile(r"([1-9][0-9]{0,4})([hd])", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_HOUR, _DAY, _LONGEST_DAYS = 3600.0, 86400.0, 92
_MOST_ROWS = 100
_PAGE = "<html><head><title>502 Bad Gateway</title></head></html>"


class AccountRoutes:
    """The endpoints, over one sandbox's books.

    Args:
        sandbox: whose books these are.
        admit: refuses a request whose key is wrong.
        closing: when set, nothing waits any more.
    """

    def __init__(self, sandbox: Sandbox, admit: Callable[[Request], object], closing: asyncio.Event) -> None:
        self._sandbox = sandbox
        self._admit = admit
        self._closing = closing

    async def logs(self, request: Request) -> Response:
        """Return rows of the usage log, newest first."""
        fault = await self._enter(request)
        wait = self._sandbox.books.seconds_until_read()
        if wait:
            raise RefusedError(flat_refusal(429, "Too many requests.", headers={"retry-after": str(math.ceil(wait))}))
        asked = request.query_params
        start, end = _window(asked, self._sandbox.books.now())
        statuses, models = _some_of(asked, "status", STATUSES), asked.getlist("model")
        entries = [
            entry
            for entry in reversed(self._sandbox.books.entries())
            if start <= entry.moment <= end
            and (not statuses or entry.status in statuses)
            and (not models or entry.model in models)
        ]
        entries = [] if fault == "empty" else entries
        limit, offset = _number(asked, "limit", default=50, least=1, most=_MOST_ROWS), _number(asked, "offset")
        page = entries[offset : offset + limit]
        return JSONResponse(
            {
                "data": [entry.row(has_cost=fault != "no_cost") for entry in page],
                "pagination": {
                    "limit": limit,
                    "offset": offset,
                    "total": len(entries),
                    "has_more": offset + len(page) < len(entries),
                },
            }
        )

    async def transactions(self, request: Request) -> Response:
        """Return what moved the balance, newest first."""
        fault = await self._enter(request)
        if fault == "ledger_down":
            raise RefusedError(flat_refusal(500, "Internal server error"))
        asked = request.query_params
        directions, types = _some_of(asked, "direction", DIRECTIONS), _some_of(asked, "type", TYPES)
        start = _moment(asked["from"]) if "from" in asked else -math.inf
        end = _moment(asked["to"]) if "to" in asked else math.inf
        movements = [
            movement
            for movement in self._sandbox.books.movements()
            if start <= _moment(movement["created_at"]) < end
            and (not directions or movement["direction"] in directions)
            and (not types or movement["type"] in types)
        ]
        # Counted from the oldest: what is written meanwhile moves nothing.
        top = _place(asked["cursor"], len(movements)) if "cursor" in asked else len(movements)
        bottom = max(0, top - _number(asked, "limit", default=50, least=1, most=_MOST_ROWS))
        return JSONResponse(
            {
                "data": movements[bottom:top][::-1],
                "pagination": {"next_cursor": _cursor(bottom) if bottom else None, "has_more": bottom > 0},
            }
        )

    async def balance(self, request: Request) -> Response:
        """Return what is left of the money."""
        await self._enter(request)
        return JSONResponse({"current_balance": self._sandbox.books.balance_usd(), "currency": "USD"})

    async def _enter(self, request: Request) -> str | None:
        """Check the key, and return the fault that the books shall have, unless it ends the request here."""
        self._admit(request)
        fault = self._sandbox.next_log_fault()
        if fault == "down":
            raise RefusedError(flat_refusal(500, "Internal server error"))
        if fault == "missing":
            raise RefusedError(flat_refusal(404, f"Not Found: GET {request.url.path}"))
        if fault == "html":
            raise RefusedError(html_refusal(502, _PAGE, tracing=Tracing.NONE))
        if fault == "slow":
            await pause(self._sandbox.settings.drip_seconds, self._closing)
        return fault


def _refused(words: str) -> RefusedError:
    return RefusedError(flat_refusal(400, words))


def _window(asked: QueryParams, now: float) -> tuple[float, float]:
    period, bounds = asked.get("period"), [asked[name] for name in ("start", "end") if name in asked]
    if period is not None and not bounds:
        known = _PERIOD.fullmatch(period)
        if known is None:
            raise _refused("period must be a positive integer followed by h or d")
        start, end = now - int(known[1]) * (_HOUR if known[2] == "h" else _DAY), now
    elif period is None and len(bounds) == len(("start", "end")):
        start, end = map(_moment, bounds)
    else:
        raise _refused("Provide either period or both start and end")
    if not 0 <= end - start <= _LONGEST_DAYS * _DAY:
        raise _refused(f"The window must not be negative, nor exceed {_LONGEST_DAYS} days")
    return start, end


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _refused("A date must be ISO-8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _some_of(asked: QueryParams, name: str, choices: tuple[str, ...]) -> list[str]:
    values = asked.getlist(name)
    if not {*values} <= {*choices}:
        raise _refused(f"{name} must be one of {', '.join(choices)}")
    return values


def _number(asked: QueryParams, name: str, *, default: int = 0, least: int = 0, most: int = 10**9) -> int:
    text = asked.get(name, str(default))
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise _refused(f"{name} must be a whole number from {least} to {most}")
    return int(text)


def _cursor(place: int) -> str:
    return urlsafe_b64encode(str(place).encode()).decode()


def _place(cursor: str, most: int) -> int:
    try:
        place = int(urlsafe_b64decode(cursor.encode()))
    except (NotBase64Error, ValueError):
        place = -1
    if not 0 < place <= most:
        raise _refused("cursor must be the next_cursor of an earlier answer")
    return place
