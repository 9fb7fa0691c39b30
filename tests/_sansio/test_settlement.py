"""What the service's books prove about a lost call, and where to look in them."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiml_music import InputError, Money, Settlement, SettlementVerdict
from aiml_music._sansio.settlement import (
    LOOKS,
    Cost,
    Findings,
    Page,
    Search,
    charge_in,
    check_attempts,
    check_sent_at,
    check_wait,
    found_after,
    judge,
    logs_query,
    next_look,
    read_cost,
    read_page,
    settled,
    together,
)

NOW = datetime(2026, 8, 20, 12, 0, 0, tzinfo=UTC)
PAID, UNPAID, UNSETTLED = SettlementVerdict.PAID, SettlementVerdict.UNPAID, SettlementVerdict.UNSETTLED
NOT_SEEN = SettlementVerdict.NOT_SEEN
FREE = {"usd": 0, "credits": 0}
PRICE = {"usd": 0.0315, "credits": 63_000}
SEARCH = Search(client_request_id="order-1")


def row(**changes: Any) -> dict[str, Any]:
    """Return a row as the service writes it, for a generation that was paid."""
    return {
        "created": "2026-08-20T11:58:00.000Z",
        "status": "succeeded",
        "model": "music-01",
        "cost": PRICE,
        "inference_id": "inf-1",
        "client_request_id": "order-1",
        **changes,
    }


FAILED = row(status="failed", cost=FREE, inference_id="inf-0")


def settlement(*rows: Mapping[str, Any], charge: Mapping[str, Any] | None = None, **search: Any) -> Settlement:
    """Return what these rows amount to."""
    asked = Search(client_request_id="order-1", **search)
    return settled(asked, Findings(rows=rows, rows_read=len(rows)), charge, now=NOW)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, PAID),
        ({"cost": FREE}, PAID),
        ({"cost": None}, PAID),
        ({"status": "failed", "cost": FREE}, UNPAID),
        ({"status": "failed", "cost": {"credits": 0}}, UNPAID),
        ({"status": "failed", "cost": {"usd": "0.00"}}, UNPAID),
        ({"status": "failed"}, PAID),
        ({"status": "failed", "cost": {"credits": 0, "usd": "0.01"}}, PAID),
        ({"status": "failed", "cost": None}, UNSETTLED),
        ({"status": "failed", "cost": {"credits": -1, "usd": "free"}}, UNSETTLED),
        ({"status": "failed", "cost": [0]}, UNSETTLED),
        ({"status": "FAILED", "cost": FREE}, UNSETTLED),
        ({"status": "running", "cost": FREE}, UNSETTLED),
        ({"status": None, "cost": FREE}, UNSETTLED),
        ({"status": ["failed"], "cost": FREE}, UNSETTLED),
        ({"status": "running", "cost": {"credits": "1"}}, PAID),
    ],
)
def test_only_failed_at_no_cost_is_unpaid(changes: dict[str, Any], verdict: SettlementVerdict) -> None:
    """Whatever is not as documented never says that a call may be repeated."""
    assert judge(row(**changes)) is verdict


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "failed", "0", "1e9", "٣"])
COSTS = st.dictionaries(st.sampled_from(["usd", "credits", "x"]), SCALARS, max_size=3)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("status", "cost", "inference_id", "client_request_id"), SCALARS | COSTS)
    )
)
def test_no_row_is_too_strange(strange: dict[str, Any]) -> None:
    """A hostile row breaks nothing, and only the documented one is unpaid."""
    found = settlement(strange)
    assert found.client_request_id in str(found)
    if found.verdict is UNPAID:
        assert strange["status"] == "failed"


@pytest.mark.parametrize(
    ("value", "cost"),
    [
        (PRICE, Cost(credits=63_000, usd=Decimal("0.0315"))),
        ({"usd": "0.0315", "credits": "63000"}, Cost(credits=63_000, usd=Decimal("0.0315"))),
        ({"usd": 1e-7, "credits": 63_000.0}, Cost(credits=63_000, usd=Decimal("0.0000001"))),
        ({"credits": 0.5}, Cost()),
        ({"usd": math.nan, "credits": math.inf}, Cost()),
        ({"usd": 1e300, "credits": 10**400}, Cost()),
        ({"usd": True, "credits": False}, Cost()),
        ({"usd": "1e3", "credits": "٣"}, Cost()),
        ({"usd": [1], "credits": {}}, Cost()),
        ("free", Cost()),
    ],
)
def test_costs_are_read_as_they_come(value: object, cost: Cost) -> None:
    """Numbers may be text; what is no amount counts as absent."""
    assert read_cost(value) == cost


def test_a_paid_row_outweighs_every_other() -> None:
    """A charge is a charge, whatever stands beside it."""
    for rows in ([FAILED, row()], [row(), FAILED], [row(status="odd", cost=None), row()]):
        found = settlement(*rows)
        assert (found.verdict, found.money, found.log_row) == (PAID, Money.YES, row())
        assert (found.credits, found.usd, found.inference_id) == (63_000, Decimal("0.0315"), "inf-1")


def test_a_doubtful_row_outweighs_a_failed_one() -> None:
    """As long as one row leaves a doubt, the call is not unpaid."""
    doubtful = row(status="running", cost=FREE)
    found = settlement(FAILED, doubtful)
    assert (found.verdict, found.money, found.log_row) == (UNSETTLED, Money.UNKNOWN, doubtful)


@pytest.mark.parametrize(("rows", "verdict"), [(0, NOT_SEEN), (1, UNSETTLED), (2, UNPAID), (3, UNPAID)])
def test_every_attempt_must_have_failed(rows: int, verdict: SettlementVerdict) -> None:
    """A call of two attempts is not unpaid because of the row of the first."""
    found = settlement(*[FAILED] * rows, attempts=2)
    assert found.verdict is verdict
    assert (found.money is Money.NO) == (verdict is UNPAID)


def test_unpaid_states_its_zeros() -> None:
    """That it cost nothing is a fact, and no gap."""
    assert (settlement(FAILED).credits, settlement(FAILED).usd) == (0, Decimal(0))


def test_a_charge_that_is_still_to_land_is_no_zero() -> None:
    """A success at no cost is paid, and the amount is not known yet."""
    found = settlement(row(cost=FREE))
    assert (found.verdict, found.credits, found.usd) == (PAID, None, None)


def test_a_transaction_settles_a_doubt() -> None:
    """What the billing ledger charges for was paid, whatever the log says, and the amount is the ledger's."""
    charge = {"reference_id": "inf-1", "direction": "CHARGE", "amount": PRICE}
    found = settlement(row(status="running", cost=None), charge=charge)
    assert (found.verdict, found.credits, found.transaction) == (PAID, 63_000, charge)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ((), None),
        ((row(),), None),
        ((FAILED,), None),
        ((row(cost=FREE),), "inf-1"),
        ((FAILED, row(status="odd", cost=None)), "inf-1"),
        ((row(cost=None, inference_id=""),), None),
        ((row(cost=None, inference_id=7),), None),
        ((row(cost=None, inference_id="x" * 201),), None),
    ],
)
def test_charges_are_looked_for_where_the_row_has_none(rows: tuple[dict[str, Any], ...], wanted: str | None) -> None:
    """The ledger is asked only where it can tell something new."""
    assert Findings(rows=rows).wanted_charge == wanted


def test_what_was_not_read_is_not_unseen() -> None:
    """A log too long to be read says nothing about a call that did not come up in it."""
    found = settled(SEARCH, Findings(rows_read=20_000, is_whole=False), None, now=NOW)
    assert (found.verdict, found.rows_read) == (UNSETTLED, 20_000)
    assert "no further than 20,000 rows: say with sent_at=" in str(found)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (settlement(row()), "order-1: paid, 63,000 credits ($0.0315). The track cannot be fetched again"),
        (settlement(row(cost=None)), "order-1: paid. The track cannot"),
        (settlement(FAILED), "order-1: unpaid, 0 credits ($0). It failed at no cost"),
        (settlement(), "order-1: not seen. It probably never arrived, or its row is still to come"),
        (settlement(row(status="odd", cost=None)), "order-1: unsettled. Its row says neither"),
        (settlement(FAILED, attempts=2), "order-1: unsettled. Of its 2 attempts the log shows 1, failed at no cost"),
        (
            settled(SEARCH, Findings(has_log=False), None, now=NOW),
            "order-1: unsettled. The service says that it has",
        ),
    ],
)
def test_a_settlement_is_one_line_for_people(found: Settlement, text: str) -> None:
    """It says what, how much, and what to do."""
    assert str(found).startswith(text)
    assert "\n" not in str(found)
    assert found.checked_at == NOW


def test_ids_match_exactly() -> None:
    """Neither another case nor another type is the same id."""
    rows = [row(client_request_id=name) for name in ("Order-1", None, 1, ["order-1"], "order-1", "order-11")]
    page = read_page({"data": [*rows, {}]})
    assert page is not None
    found = found_after({"order-1": Findings(rows_read=7), "order-2": Findings()}, page)
    assert found == {
        "order-1": Findings(rows=(row(),), rows_read=14, is_whole=False),
        "order-2": Findings(rows_read=7, is_whole=False),
    }


def test_a_charge_is_found_by_its_reference() -> None:
    """Money that comes back is no charge."""
    charge = {"reference_id": "inf-1", "direction": "CHARGE"}
    refund = {"reference_id": "inf-1", "direction": "TOPUP"}
    rows: tuple[dict[str, str], ...] = ({"reference_id": "inf-2"}, {}, refund, charge)
    page = Page(rows=rows, size=4, has_more=False)
    assert (charge_in(page, "inf-1"), charge_in(page, "inf-3")) == (charge, None)


@pytest.mark.parametrize(
    ("pagination", "has_more"),
    [
        ({"has_more": True, "total": 9}, True),
        ({"has_more": False, "total": 2}, False),
        ({"has_more": False}, False),
        ({"has_more": False, "total": 3}, True),
        ({"has_more": "no"}, True),
        ({}, True),
        (None, True),
        ([], True),
    ],
)
def test_a_list_ends_only_when_it_says_so(pagination: object, *, has_more: bool) -> None:
    """A page that does not say whether it is the last is not taken for the last."""
    page = read_page({"data": [row(), row()], "pagination": pagination})
    assert page is not None
    assert page.has_more is has_more


def test_an_empty_page_ends_every_list() -> None:
    """Nothing behind nothing is looked for."""
    assert read_page({"data": [], "pagination": {"has_more": True, "total": 9}}) == Page(
        rows=(), size=0, has_more=False
    )


def test_rows_on_earlier_pages_count() -> None:
    """A total is one of all pages."""
    page = read_page({"data": [row()], "pagination": {"has_more": False, "total": 3}}, before=2)
    assert page is not None
    assert not page.has_more


@pytest.mark.parametrize("cursor", [None, "", 7, ["x"]])
def test_a_cursor_is_text(cursor: object) -> None:
    """What is none leads nowhere."""
    page = read_page({"data": [1], "pagination": {"next_cursor": cursor}})
    assert page == Page(rows=(), size=1, has_more=True)


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": {}}, {"data": "[]"}, {"rows": []}])
def test_no_list_is_not_an_empty_list(document: dict[str, Any]) -> None:
    """A document of another kind says nothing about the call."""
    assert read_page(document) is None


def test_without_a_moment_the_last_days_are_searched() -> None:
    """The window then moves with the service's own clock."""
    assert logs_query([SEARCH], 200) == (("period", "7d"), ("limit", "100"), ("offset", "200"))
    charges = dict(SEARCH.charges_query(NOW, "abc="))
    assert charges == {"direction": "CHARGE", "from": "2026-08-13T12:00:00Z", "limit": "100", "cursor": "abc="}


def test_with_a_moment_an_hour_around_the_call_is_searched() -> None:
    """The window reaches from an hour before the call to an hour after its limit of time."""
    search = Search(client_request_id="a", sent_at=NOW, lasted=600, model="music-01")
    query = parse_qs(urlencode(logs_query([search], 0)))
    assert query["start"] == ["2026-08-20T11:00:00Z"]
    assert query["end"] == ["2026-08-20T13:10:00Z"]
    assert query["model"] == ["music-01"]
    assert dict(search.charges_query(NOW + timedelta(days=9), None))["from"] == "2026-08-20T11:00:00Z"


@pytest.mark.parametrize("lasted", [1e7, 1e300, math.inf])
def test_no_window_exceeds_what_the_service_takes(lasted: float) -> None:
    """92 days is the longest."""
    query = dict(logs_query([Search(client_request_id="a", sent_at=NOW, lasted=lasted)], 0))
    assert (query["start"], query["end"]) == ("2026-08-20T11:00:00Z", "2026-11-20T11:00:00Z")


def at(hours: float, **changes: Any) -> Search:
    return Search(**{"client_request_id": f"at {hours}", "sent_at": NOW + timedelta(hours=hours), **changes})


UNDATED = (SEARCH, Search(client_request_id="b"))
DAY = 86_400.0


@pytest.mark.parametrize(
    ("searches", "groups"),
    [
        ([], []),
        ([SEARCH], [1]),
        ([at(0), at(2), at(1)], [3]),
        ([at(0), at(2.2)], [1, 1]),
        ([at(0), at(2), at(4), at(30), at(31)], [3, 2]),
        ([at(0), at(0), *UNDATED], [2, 2]),
        ([at(0, lasted=60 * DAY), at(20 * 24, lasted=60 * DAY)], [2]),
        ([at(0, lasted=60 * DAY), at(40 * 24, lasted=60 * DAY)], [1, 1]),
        ([at(0, lasted=90 * DAY), at(1, lasted=60), at(91 * 24, lasted=60)], [2, 1]),
    ],
)
def test_what_lies_close_is_read_together(searches: list[Search], groups: list[int]) -> None:
    """One reading covers nothing that none of its calls needs, and no more than the service takes."""
    found = together(searches)
    assert [len(group) for group in found] == groups
    assert sorted(each.client_request_id for group in found for each in group) == sorted(
        each.client_request_id for each in searches
    )


def test_one_query_serves_several() -> None:
    """It spans them all, and names each of their models once; one without a model wants every row."""
    query = parse_qs(urlencode(logs_query([at(1, model="b"), at(0, model="a"), at(1, model="a")], 0)))
    assert (query["start"], query["end"]) == (["2026-08-20T11:00:00Z"], ["2026-08-20T14:10:00Z"])
    assert query["model"] == ["a", "b"]
    assert "model" not in dict(logs_query([at(0, model="a"), at(0)], 0))


@pytest.mark.parametrize(
    "moment", [NOW, NOW.astimezone(timezone(timedelta(hours=5))), NOW.timestamp(), int(NOW.timestamp())]
)
def test_moments_may_be_dates_or_numbers(moment: object) -> None:
    """All of them are the same moment in UTC."""
    assert check_sent_at(moment) == NOW
    assert str(check_sent_at(moment)).endswith("+00:00")
    assert check_sent_at(None) is None


@pytest.mark.parametrize("moment", [NOW.replace(tzinfo=None), "now", math.nan, math.inf, -1, True, 1e300, 10**400])
def test_other_moments_are_refused(moment: object) -> None:
    """A time without a zone could be hours away."""
    with pytest.raises(InputError, match="sent_at must"):
        check_sent_at(moment)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "30", True])
def test_waits_are_checked(value: object) -> None:
    """A wait is a number of seconds, or none."""
    with pytest.raises(InputError, match="wait must"):
        check_wait(value)
    assert (check_wait(None), check_wait(0), check_wait(1.5)) == (None, 0, 1.5)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, None])
def test_attempts_are_checked(value: object) -> None:
    """There was one at least."""
    with pytest.raises(InputError, match="attempts must"):
        check_attempts(value)
    assert check_attempts(2) == 2


@given(began=st.floats(0, 1e7), wait=st.floats(0, 10_000))
@example(began=4801.05, wait=3600.0)
def test_looks_come_to_their_end(began: float, wait: float) -> None:
    """Also on a clock whose sums are rounded, and which no pause shorter than its last digit moves on."""
    now, looks = began, 1
    while (pause := next_look(now - began, wait)) is not None:
        now, looks = now + pause, looks + 1
        assert looks <= 2 + 6 + 10_000 / 1800
    assert now - began == pytest.approx(wait, abs=0.002)


def test_looks_follow_the_schedule() -> None:
    """After the first look: 30 s, 1, 2, 5, 10 and 30 min, then every half hour, and one when the wait is over."""
    moments, elapsed = [], 0.0
    while (pause := next_look(elapsed, 4000)) is not None:
        elapsed += pause
        moments.append(elapsed)
    assert moments == [*LOOKS, 3600, 4000]
    assert next_look(0, 0) is None
    assert next_look(0, 10) == 10
