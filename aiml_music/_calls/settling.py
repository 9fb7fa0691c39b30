"""Look a call up in the service's own books: page by page, once or until there is an answer.

What is looked for, and what it proves, is decided in `_sansio.settlement`. Nothing but GET is ever sent from here.
"""

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from attrs import evolve, frozen

from aiml_music._calls.plans import read_plan
from aiml_music._calls.session import Session
from aiml_music._sansio import settlement, verdict, wire
from aiml_music._sansio.errors import MusicError, NotFoundError
from aiml_music._sansio.models import Settlement, SettlementVerdict
from aiml_music._sansio.options import UNSET, Options, TimeoutInput, Timeouts, Unset, check_timeout
from aiml_music._sansio.settlement import LOGS_PATH, MOST_ROWS, TRANSACTIONS_PATH, Findings, Page, Query, Row, Search

_OPEN = {SettlementVerdict.NOT_SEEN, SettlementVerdict.UNSETTLED}


async def settle(
    session: Session,
    options: Options,
    client_request_id: str,
    *,
    sent_at: datetime | float | None,
    model: str | None,
    attempts: int,
    wait: float | None,
    timeout: TimeoutInput | Unset,
) -> Settlement:
    """Look a call up; see `AsyncMusicClient.settle`."""
    search = Search(
        client_request_id=wire.check_client_request_id(client_request_id),
        sent_at=settlement.check_sent_at(sent_at),
        lasted=_longest(options),
        model=model,
        attempts=settlement.check_attempts(attempts),
    )
    wait = settlement.check_wait(wait)
    timeouts = options.timeouts_for_read() if timeout is UNSET else check_timeout(timeout)
    clock = session.clock
    began = clock.monotonic()
    while True:
        found = await _Look(session, options, timeouts, clock.monotonic()).settlement_of(search)
        if wait is None or found.verdict not in _OPEN:
            return found
        pause = settlement.next_look(clock.monotonic() - began, wait)
        if pause is None:
            return found
        await clock.sleep(pause)


async def look_up_each(
    session: Session, options: Options, searches: Collection[Search]
) -> dict[str, Settlement | MusicError]:
    """Look calls up once, and read what the log has of the same time only once for all of them.

    Args:
        session: where to send.
        options: of the client; its limit of time is how long each call may have lasted.
        searches: what to look for.

    Returns:
        what became of each call, by its id; an error where the books could not be read.
    """
    answers: dict[str, Settlement | MusicError] = {}
    for group in settlement.together([evolve(search, lasted=_longest(options)) for search in searches]):
        answers |= await _read_together(session, options, group)
    return answers


def _longest(options: Options) -> float:
    limit = options.timeouts_for_generate().total
    return math.inf if limit is None else limit


async def _read_together(
    session: Session, options: Options, group: Sequence[Search]
) -> dict[str, Settlement | MusicError]:
    # Each page has the whole limit of time: there are as many as a batch has calls, and more.
    look = _Look(session, options, options.timeouts_for_read())
    answers: dict[str, Settlement | MusicError] = {}
    try:
        found = await look.findings(group)
        for search in group:
            known = found[search.client_request_id]
            # The log of a long time may be too long, where that of one call is not.
            alone = len(group) > 1 and known.is_cut_short
            answers[search.client_request_id] = await (
                look.settlement_of(search) if alone else look.meaning(search, known)
            )
    except MusicError as error:
        return {**dict.fromkeys((search.client_request_id for search in group), error), **answers}
    return answers


@frozen
class _Look:
    """One look into the books, within one limit of time from when it began; without that, each page has the limit."""

    _session: Session
    _options: Options
    _timeouts: Timeouts
    _began: float | None = None

    async def settlement_of(self, search: Search) -> Settlement:
        found = await self.findings([search])
        return await self.meaning(search, found[search.client_request_id])

    async def meaning(self, search: Search, found: Findings) -> Settlement:
        now = datetime.fromtimestamp(self._session.clock.time(), UTC)
        charge = None if found.wanted_charge is None else await self._charge(search, found.wanted_charge, now)
        return settlement.settled(search, found, charge, now=now)

    async def findings(self, searches: Collection[Search]) -> dict[str, Findings]:
        """Read the usage log until a charge is proven for each call, or to its end."""
        found = {search.client_request_id: Findings(is_whole=False) for search in searches}
        read = 0
        try:
            while read < MOST_ROWS:
                page = await self._page(LOGS_PATH, settlement.logs_query(searches, read), before=read)
                read += page.size
                found = settlement.found_after(found, page)
                if not page.has_more or all(each.is_paid for each in found.values()):
                    break
        except NotFoundError:
            return dict.fromkeys(found, Findings(has_log=False))
        return found

    async def _charge(self, search: Search, inference_id: str, now: datetime) -> Row | None:
        """Return the charge for a piece of work; None where there is none, or the ledger cannot be read."""
        cursor: str | None = None
        read = 0
        try:
            while read < MOST_ROWS:
                page = await self._page(TRANSACTIONS_PATH, search.charges_query(now, cursor), before=read)
                charge = settlement.charge_in(page, inference_id)
                if charge is not None or not page.has_more or page.cursor is None:
                    return charge
                read, cursor = read + page.size, page.cursor
        except MusicError:
            # The usage log has spoken; a ledger that does not is no reason to withhold what it said.
            return None
        return None

    async def _page(self, path: str, query: Query, *, before: int) -> Page:
        plan = await read_plan(self._options, path, query, self._time_left())
        async with self._session.call(plan) as call:
            await call.open()
            while await call.read():
                """Neither list holds audio; if one ever does, it is read past."""
            page = settlement.read_page(call.reply.raw, before=before)
            if page is None:
                raise call.error(verdict.of_broken_answer(call.evidence, "it holds no list"))
            return page

    def _time_left(self) -> Timeouts:
        total = self._timeouts.total
        if total is None or self._began is None:
            return self._timeouts
        # A limit that has run out must still be one: the call itself then says so.
        return evolve(self._timeouts, total=max(total - (self._session.clock.monotonic() - self._began), 0.001))
