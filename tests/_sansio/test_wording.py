"""What errors say reads as sentences, whatever others put into them."""

import pytest

from aiml_music._sansio.outcome import Marks, Operation
from aiml_music._sansio.ports import FaultKind, ResponseHead, TransportFault
from aiml_music._sansio.refusal import refusal_of_status
from aiml_music._sansio.verdict import Evidence, of_broken_answer, of_fault, of_refusal

SENT = Marks(request_begun=True, body_handed_over=True)


def evidence(marks: Marks = SENT, audio_bytes: int = 0) -> Evidence:
    return Evidence(
        operation=Operation.GENERATE, host="h", client_request_id="id", marks=marks, audio_bytes=audio_bytes
    )


@pytest.mark.parametrize("marks", [Marks(), SENT], ids=["before", "after"])
def test_the_systems_full_stop_is_not_doubled(marks: Marks) -> None:
    """Libraries end some of their texts with a full stop, and some not."""
    problem = of_fault(evidence(marks), TransportFault(FaultKind.READ, "Server disconnected."))
    assert problem.message.endswith("disconnected.")
    assert ".." not in problem.message


def test_the_services_words_stay_its_own() -> None:
    """A refusal is quoted as it came, but for its last full stop."""
    body = b'{"message": "Please retry later.", "statusCode": "429"}'
    refusal = refusal_of_status(ResponseHead(status=429), body, client_request_id="id")
    assert of_refusal(evidence(), refusal, None).message == "h answered HTTP 429: Please retry later."


@pytest.mark.parametrize(
    ("reason", "clause"),
    [
        ("The document ends early", "the document ends early"),
        ("U+0067 stands where a digit belongs", "U+0067 stands where a digit belongs"),
        ("it is cut.", "it is cut"),
    ],
)
def test_a_reason_becomes_a_clause(reason: str, clause: str) -> None:
    """A sentence of the decoder goes on within one of ours; names keep their capitals."""
    message = of_broken_answer(evidence(audio_bytes=1000), reason).message
    assert message == f"h answered, but {clause} after 1,000 bytes of audio."
