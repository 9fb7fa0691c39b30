"""What became of a call whose answer was lost: where to look in the service's books, and what is written there.

Pure: queries out, documents in, and a `Settlement` at the end. Whatever is not as documented falls on the side that
pays nothing a second time: only a row that says `failed` at no cost makes a call unpaid.
"""

import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from attrs import frozen

from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import Settlement, SettlementVerdict

LOGS_PATH = "/v2/logs"
TRANSACTIONS_PATH = "/v2/billing/transactions"
PAGE_ROWS = 100
# Of pages this is what may be read in a minute; who has more calls than that knows better when this one was.
MOST_ROWS = 200 * PAGE_ROWS

LOOKS = (30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""When to look again, in seconds after the first look: charges land after the answer."""
_LATER = 1800.0
_ROUNDING = 0.001

_MARGIN = timedelta(hours=1)
_LONGEST = timedelta(days=92)
_RECENT = timedelta(days=7)
_LAST_MOMENT = datetime(9000, 1, 1, tzinfo=UTC).timestamp()

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?", re.ASCII)
_ID_CHARS = 200

Query = tuple[tuple[str, str], ...]
Row = Mapping[str, Any]


def next_look(elapsed: float, wait: float) -> float | None:
    """Return how many seconds to sleep before the next look, or None where there is to be none.

    Args:
        elapsed: seconds since the first look.
        wait: seconds after the first look at which the last one is.
    """
    # What is left by rounding alone is no time: a clock that stands still otherwise would not go on by it.
    after = elapsed + _ROUNDING
    if after >= wait:
        return None
    planned = next((moment for moment in LOOKS if moment > after), elapsed + _LATER)
    return min(planned, wait) - elapsed


def check_wait(value: object) -> float | None:
    """Return how long to keep looking.

    Raises:
        InputError: it is no number of seconds.
    """
    if value is not None and not _is_number(value):
        raise InputError(f"wait must be a number of seconds, 0 or more, or None; got {value!r}.")
    return value  # type: ignore[return-value]  # as was just seen


def check_attempts(value: object) -> int:
    """Return how many attempts there were.

    Raises:
        InputError: it is no whole number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"attempts must be a whole number above 0; got {value!r}.")
    return value


def check_sent_at(value: object) -> datetime | None:
    """Return the moment in UTC at which a call was sent, or None where that is not known.

    Raises:
        InputError: it is no moment, or one without a time zone.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InputError("sent_at must have a time zone, as datetime.now(timezone.utc) has.")
        return value.astimezone(UTC)
    # A calendar ends, and a margin must still fit.
    if not _is_number(value) or value >= _LAST_MOMENT:  # type: ignore[operator]  # a number, as was just seen
        raise InputError("sent_at must be a datetime with a time zone, or Unix time in seconds.")
    return datetime.fromtimestamp(value, UTC)  # type: ignore[arg-type]  # as above


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


@frozen(kw_only=True)
class Search:
    """What to look for, and where.

    Args:
        client_request_id: the id of the call.
        sent_at: when it was sent; None looks through the last seven days.
        lasted: seconds it may have lasted.
        model: only rows of this model; None is any.
        attempts: how many attempts of it may have reached the service. So many rows there must be before all of them
            together say that nothing was paid.
    """

    client_request_id: str
    sent_at: datetime | None = None
    lasted: float = 600.0
    model: str | None = None
    attempts: int = 1

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """From when to when its row may be dated; None where it is not known when the call was sent."""
        if self.sent_at is None:
            return None
        start = self.sent_at - _MARGIN
        # Capped as a number first: a call without a limit of time may have lasted longer than a calendar has days.
        lasted = timedelta(seconds=min(self.lasted, _LONGEST.total_seconds()))
        return start, min(self.sent_at + lasted + _MARGIN, start + _LONGEST)

    def charges_query(self, now: datetime, cursor: str | None) -> Query:
        """Return the query for a page of the billing ledger."""
        begin = now - _RECENT if self.sent_at is None else self.sent_at - _MARGIN
        place = () if cursor is None else (("cursor", cursor),)
        return (("direction", "CHARGE"), ("from", _iso(begin)), ("limit", str(PAGE_ROWS)), *place)


def together(searches: Collection[Search]) -> list[tuple[Search, ...]]:
    """Return searches in groups that one reading of the usage log serves: as spans overlap, or none has one."""
    dated = sorted(((search.span, search) for search in searches if search.span is not None), key=itemgetter(0))
    undated = tuple(search for search in searches if search.span is None)
    groups: list[list[Search]] = []
    start = end = datetime.min.replace(tzinfo=UTC)
    for (begins, ends), search in dated:
        if begins > end or ends - start > _LONGEST:
            groups.append([])
            start = end = begins
        groups[-1].append(search)
        end = max(end, ends)
    return [*map(tuple, groups), *([undated] if undated else [])]


def logs_query(searches: Collection[Search], offset: int) -> Query:
    """Return the query for a page of the usage log.

    Args:
        searches: what is looked for there, all of one group of `together`.
        offset: how many rows came on earlier pages.
    """
    models = {search.model for search in searches}
    named = () if None in models else tuple(("model", model) for model in sorted(filter(None, models)))
    return (*_window(searches), *named, ("limit", str(PAGE_ROWS)), ("offset", str(offset)))


def _window(searches: Collection[Search]) -> Query:
    spans = [search.span for search in searches if search.span is not None]
    if not spans:
        return (("period", f"{_RECENT.days}d"),)
    return (("start", _iso(min(start for start, _ in spans))), ("end", _iso(max(end for _, end in spans))))


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@frozen(kw_only=True)
class Page:
    """One page of a list, and whether another one follows."""

    rows: tuple[Row, ...]
    size: int
    """How many rows it had, those included that are none."""
    has_more: bool
    cursor: str | None = None


def read_page(document: Mapping[str, Any], *, before: int = 0) -> Page | None:
    """Read a page of either list; None where the document holds no list, which is not the same as an empty one.

    Args:
        document: `data` with the rows, and `pagination`.
        before: how many rows came on earlier pages.
    """
    data = document.get("data")
    if not isinstance(data, list):
        return None
    place = document.get("pagination")
    place = place if isinstance(place, Mapping) else {}
    total, cursor = place.get("total"), place.get("next_cursor")
    # Only a plain word that it ends ends it: a row that is passed over would be a payment that is not seen.
    ends = place.get("has_more") is False and not (isinstance(total, int) and total > before + len(data))
    return Page(
        rows=tuple(row for row in data if isinstance(row, Mapping)),
        size=len(data),
        has_more=bool(data) and not ends,
        cursor=cursor if isinstance(cursor, str) and cursor else None,
    )


@frozen(kw_only=True)
class Cost:
    """What something cost; None where that cannot be read."""

    credits: int | None = None
    usd: Decimal | None = None

    @property
    def is_something(self) -> bool:
        """Whether a charge is stated."""
        return bool(self.credits) or bool(self.usd)

    @property
    def is_nothing(self) -> bool:
        """Whether it is stated that there was no charge."""
        return not self.is_something and not (self.credits is None and self.usd is None)


def read_cost(value: object) -> Cost:
    """Read `cost` of a log row or `amount` of a transaction."""
    members = value if isinstance(value, Mapping) else {}
    whole, usd = _amount(members.get("credits")), _amount(members.get("usd"))
    return Cost(credits=None if whole is None or whole % 1 else int(whole), usd=usd)


def _amount(value: object) -> Decimal | None:
    # A number as text counts as well; a negative one, or one no account could hold, does not.
    text = format(Decimal(str(value)), "f") if isinstance(value, float) else str(value)
    known = isinstance(value, int | float | str) and not isinstance(value, bool)
    return Decimal(text) if known and _AMOUNT.fullmatch(text) else None


def charge_in(page: Page, inference_id: str) -> Row | None:
    """Return the charge for a piece of work, if it is on this page."""
    for row in page.rows:
        if row.get("reference_id") == inference_id and row.get("direction") != "TOPUP":
            return row
    return None


def judge(row: Row) -> SettlementVerdict:
    """Say what one row of the usage log proves."""
    cost, status = read_cost(row.get("cost")), row.get("status")
    if status == "succeeded" or cost.is_something:
        return SettlementVerdict.PAID
    return SettlementVerdict.UNPAID if status == "failed" and cost.is_nothing else SettlementVerdict.UNSETTLED


@frozen(kw_only=True)
class Findings:
    """What a look into the usage log brought.

    Attributes:
        rows: the rows of the call.
        rows_read: how many rows were looked through.
        is_whole: there were no more than these.
        has_log: the service has such a log.
    """

    rows: tuple[Row, ...] = ()
    rows_read: int = 0
    is_whole: bool = True
    has_log: bool = True

    @property
    def is_paid(self) -> bool:
        """Whether a charge is proven, which no other row can change."""
        return any(judge(row) is SettlementVerdict.PAID for row in self.rows)

    @property
    def is_cut_short(self) -> bool:
        """Whether rows were left unread that could say more."""
        return not self.is_whole and not self.is_paid

    @property
    def decisive(self) -> Row | None:
        """The row that says most: a paid one, else one that leaves a doubt."""
        order = (SettlementVerdict.PAID, SettlementVerdict.UNSETTLED, SettlementVerdict.UNPAID)
        return min(self.rows, key=lambda row: order.index(judge(row)), default=None)

    @property
    def wanted_charge(self) -> str | None:
        """The inference id whose charge is worth looking for: the row states no cost, and is not proven unpaid."""
        row = self.decisive
        if row is None or judge(row) is SettlementVerdict.UNPAID or read_cost(row.get("cost")).is_something:
            return None
        return _inference_id(row)


def found_after(found: Mapping[str, Findings], page: Page) -> dict[str, Findings]:
    """Return what is found of each call, by its id, once another page was read as well."""
    rows = {call: list(each.rows) for call, each in found.items()}
    for row in page.rows:
        call = row.get("client_request_id")
        # A new row above pushes the last ones of a page onto the next: none counts twice.
        if isinstance(call, str) and call in rows and row not in rows[call]:
            rows[call].append(row)
    return {
        call: Findings(rows=tuple(rows[call]), rows_read=each.rows_read + page.size, is_whole=not page.has_more)
        for call, each in found.items()
    }


def _inference_id(row: Row) -> str | None:
    value = row.get("inference_id")
    return value if isinstance(value, str) and 0 < len(value) <= _ID_CHARS else None


def settled(search: Search, found: Findings, transaction: Row | None, *, now: datetime) -> Settlement:
    """Return what all the evidence amounts to.

    Args:
        search: what was looked for.
        found: what the usage log holds.
        transaction: the charge in the billing ledger, where it was looked for and found.
        now: when the look was.
    """
    row = found.decisive
    verdict, note = _verdict(search, found, transaction)
    cost = read_cost((row or {}).get("cost")) if transaction is None else read_cost(transaction.get("amount"))
    # A charge that is still to land is no charge of nothing.
    is_told = cost.is_something or verdict is SettlementVerdict.UNPAID
    return Settlement(
        client_request_id=search.client_request_id,
        verdict=verdict,
        note=note,
        credits=cost.credits if is_told else None,
        usd=cost.usd if is_told else None,
        inference_id=None if row is None else _inference_id(row),
        log_row=row,
        transaction=transaction,
        rows_read=found.rows_read,
        checked_at=now,
    )


def _verdict(search: Search, found: Findings, transaction: Row | None) -> tuple[SettlementVerdict, str]:
    if found.is_paid or transaction is not None:
        return SettlementVerdict.PAID, "The track cannot be fetched again; to make it anew is to pay again."
    if found.is_cut_short:
        return SettlementVerdict.UNSETTLED, (
            f"The log was read no further than {found.rows_read:,} rows: say with sent_at= when the call was sent."
        )
    if not found.rows:
        # Where there is no log, nothing is missing from it either.
        not_seen, no_log = (SettlementVerdict.NOT_SEEN, _NOT_SEEN), (SettlementVerdict.UNSETTLED, _NO_LOG)
        return not_seen if found.has_log else no_log
    if any(judge(row) is SettlementVerdict.UNSETTLED for row in found.rows):
        return SettlementVerdict.UNSETTLED, _NO_WORD
    if len(found.rows) < search.attempts:
        return SettlementVerdict.UNSETTLED, (
            f"Of its {search.attempts} attempts the log shows {len(found.rows)}, failed at no cost: look again."
        )
    return SettlementVerdict.UNPAID, "It failed at no cost; to call again is not to pay twice."


_NO_WORD = "Its row says neither that it failed at no cost nor what it cost: look again."
_NOT_SEEN = (
    "It probably never arrived, or its row is still to come: "
    "look again before you pay again, up to half an hour after the call."
)
_NO_LOG = "The service says that it has no usage log here (404): see the account's own page before you pay again."
