"""Which exit code an error becomes: all that a script needs to know before it tries again.

Pure. What is printed beside the code is left to `faults`.
"""

from enum import IntEnum

from aiml_music._sansio.errors import MusicError, NotSentError
from aiml_music._sansio.outcome import Money, Outcome


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    UNEXPECTED = 1
    UNUSABLE = 2
    REFUSED = 3
    IN_DOUBT = 4
    PAID_NOT_KEPT = 5
    NOT_SENT = 6
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "a fault of this program, or the result could not be written",
    ExitCode.UNUSABLE: "the command, a setting or a file cannot be used; nothing sent",
    ExitCode.REFUSED: "the service refused or failed, and took no money",
    ExitCode.IN_DOUBT: "in doubt: perhaps carried out and charged",
    ExitCode.PAID_NOT_KEPT: "paid, and unusable or not stored; what came is named",
    ExitCode.NOT_SENT: "not sent: the service could not be reached",
    ExitCode.INTERRUPTED: "interrupted",
}


class BatchExit(IntEnum):
    """How a batch ended: why it stopped, or else how the jobs of its list stand."""

    ALL_DONE = 0
    UNEXPECTED = 1
    UNUSABLE = 2
    NOT_MADE = 3
    IN_DOUBT = 4
    BRAKE = 5
    BUDGET = 6
    INTERRUPTED = 130


BATCH_MEANINGS = {
    BatchExit.ALL_DONE: "every track of the list is made",
    BatchExit.UNEXPECTED: "a fault of this program, or the report could not be written",
    BatchExit.UNUSABLE: "the command, the list or the directory cannot be used; nothing sent",
    BatchExit.NOT_MADE: "tracks are missing: refused, not sent, or without their names; none is in doubt",
    BatchExit.IN_DOUBT: "calls are in doubt, or were paid for and gave no track",
    BatchExit.BRAKE: "the batch stopped by itself, before more money went in vain",
    BatchExit.BUDGET: "the budget has no room for the next call",
    BatchExit.INTERRUPTED: "interrupted; the same command goes on",
}

_BY_END = {
    (Outcome.NOT_SENT, Money.YES): ExitCode.IN_DOUBT,
    (Outcome.NOT_SENT, Money.UNKNOWN): ExitCode.IN_DOUBT,
    (Outcome.REJECTED, Money.NO): ExitCode.REFUSED,
    (Outcome.REJECTED, Money.YES): ExitCode.PAID_NOT_KEPT,
    (Outcome.REJECTED, Money.UNKNOWN): ExitCode.IN_DOUBT,
    # The hint has the id, and the line that collects the track.
    (Outcome.ACCEPTED, Money.NO): ExitCode.PAID_NOT_KEPT,
    (Outcome.ACCEPTED, Money.YES): ExitCode.PAID_NOT_KEPT,
    (Outcome.ACCEPTED, Money.UNKNOWN): ExitCode.PAID_NOT_KEPT,
    (Outcome.UNKNOWN, Money.NO): ExitCode.REFUSED,
    (Outcome.UNKNOWN, Money.YES): ExitCode.PAID_NOT_KEPT,
    (Outcome.UNKNOWN, Money.UNKNOWN): ExitCode.IN_DOUBT,
    (Outcome.DAMAGED, Money.NO): ExitCode.REFUSED,
    (Outcome.DAMAGED, Money.YES): ExitCode.PAID_NOT_KEPT,
    (Outcome.DAMAGED, Money.UNKNOWN): ExitCode.PAID_NOT_KEPT,
    (Outcome.COMPLETED, Money.NO): ExitCode.PAID_NOT_KEPT,
    (Outcome.COMPLETED, Money.YES): ExitCode.PAID_NOT_KEPT,
    (Outcome.COMPLETED, Money.UNKNOWN): ExitCode.PAID_NOT_KEPT,
}


def exit_code_of(error: MusicError) -> ExitCode:
    """Return the exit code of a call that ended with this error."""
    end = error.outcome, error.money
    if end == (Outcome.NOT_SENT, Money.NO):
        return ExitCode.NOT_SENT if isinstance(error, NotSentError) else ExitCode.UNUSABLE
    return _BY_END[end]
