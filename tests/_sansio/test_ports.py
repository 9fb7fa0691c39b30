"""The plain values that pass through the doors."""

import pytest

from aiml_music._sansio.outcome import Marks, Phase
from aiml_music._sansio.ports import FaultKind, Progress, ResponseHead, TransportFault


def test_progress_keeps_every_mark() -> None:
    """An attempt passes its phases in order, and no later mark wipes out an earlier one."""
    progress = Progress()
    phases = [progress.phase]
    steps = (progress.request_begun, progress.body_handed_over, progress.request_begun, progress.response_begun)
    for step in steps:
        step()
        phases.append(progress.phase)
    assert phases == [Phase.CONNECT, Phase.SEND, Phase.WAIT, Phase.WAIT, Phase.READ]
    assert progress.marks == Marks(request_begun=True, body_handed_over=True, response_begun=True)


@pytest.mark.anyio
async def test_leave_to_send_is_asked_for_once() -> None:
    """A mark that was made is not made again; one that failed still has to be made."""
    made: list[str] = []

    async def wire() -> None:
        made.append("asked")
        if len(made) == 1:
            raise KeyError

    progress = Progress(wire=wire)
    with pytest.raises(KeyError):
        await progress.leave_to_send()
    for _ in range(2):
        await progress.leave_to_send()
    assert made == ["asked", "asked"]


def test_an_early_answer_hands_nothing_over() -> None:
    """An answer that comes while the body is still going out does not make the request complete."""
    progress = Progress()
    progress.response_begun()
    assert progress.marks == Marks(request_begun=True, response_begun=True)


def test_a_connection_that_was_never_made_leaves_no_mark() -> None:
    """What was noted on the way to a connection that came to nothing is taken back."""
    progress = Progress()
    progress.body_handed_over()
    progress.never_connected()
    assert progress.marks == Marks()


def test_headers_are_read_by_name() -> None:
    """The first of several values counts, and a missing header is None."""
    head = ResponseHead(status=200, headers=(("date", "today"), ("date", "tomorrow"), ("x-empty", "")))
    assert (head.header("date"), head.header("x-empty"), head.header("retry-after")) == ("today", "", None)


@pytest.mark.parametrize(
    ("status", "success"), [(199, False), (200, True), (201, True), (299, True), (300, False), (500, False)]
)
def test_success_is_2xx(status: int, *, success: bool) -> None:
    """Only the 2xx announce success."""
    assert ResponseHead(status=status).is_success is success


def test_a_fault_says_what_it_was() -> None:
    """A fault of the network keeps its kind and the system's words apart."""
    fault = TransportFault(FaultKind.DNS, "Name or service not known")
    assert (fault.kind, fault.detail) == (FaultKind.DNS, "Name or service not known")
    assert str(fault) == "dns: Name or service not known"
