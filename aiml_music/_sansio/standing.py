"""Where a call stands at any moment: what is known of its request and its money, and what to say if it is cut short.

Pure: the call that is under way only tells how far it has come.
"""

from attrs import frozen

from aiml_music._sansio import verdict
from aiml_music._sansio.errors import what_happened
from aiml_music._sansio.outcome import Answer, Money, Outcome
from aiml_music._sansio.verdict import Evidence


@frozen(kw_only=True)
class Standing:
    """How far a call has come.

    Attributes:
        evidence: what is known of its latest attempt.
        settled: outcome and money, where they are known for certain.
        is_begun: it has left the queue.
        is_answered: its answer was read to the end, and is what was asked for.
        is_between: one attempt is over and the next one has not begun.
    """

    evidence: Evidence
    settled: tuple[Outcome, Money] | None
    is_begun: bool
    is_answered: bool
    is_between: bool

    @property
    def ending(self) -> tuple[Outcome, Money]:
        """What would be known of the request and the money if the call ended here."""
        if self.settled is not None:
            return self.settled
        # What is left of a download can be fetched again, where there is an id; of an answer it cannot.
        is_lost = self.evidence.audio_bytes and self.evidence.generation_id is None
        return self.evidence.judge(Answer.UNUSABLE if is_lost else Answer.NONE)

    @property
    def parting_words(self) -> str:
        """What to write on a cancellation that comes now."""
        evidence = self.evidence
        name = f"aiml_music: {evidence.operation} {evidence.client_request_id} was cancelled"
        outcome, money = self.ending
        is_open = outcome in {Outcome.UNKNOWN, Outcome.ACCEPTED}
        doubt = f" {verdict.in_doubt_hint(evidence)}" if is_open else ""
        return f"{name} {self._where}. {what_happened(outcome, money, evidence.operation)}{doubt}"

    @property
    def _where(self) -> str:
        if self.evidence.generation_id is not None and not self.is_answered:
            return f"after it was accepted as {self.evidence.generation_id}"
        if not self.is_begun:
            return "in the queue"
        if self.is_between:
            return "before it was tried again"
        return "after its last byte" if self.is_answered else f"in phase {self.evidence.marks.phase!s}"
