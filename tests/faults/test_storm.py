"""After any number of cancelled calls, the next one goes through."""

from collections.abc import Callable

import pytest

from tests.faults.storm import PLACES, live_server, weather


@pytest.mark.row("34")
@pytest.mark.anyio
async def test_a_good_call_follows_the_storm(
    anyio_backend: str, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """A good call is quick, every place in the queue is there again, and no descriptor is left open."""
    with live_server() as port:
        after = await weather(port, 20_000 if request.config.getoption("--long", default=False) else 300)
    record_property("figure", f"storm on {anyio_backend}: {after}")
    assert after.good_seconds < 1
    assert after.permits == PLACES
    assert after.descriptors_after == after.descriptors_before
