"""How the standing of a batch reads: as lines for people, as JSON values for scripts, and as the next command to type.

Pure, but for the printing.
"""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiml_music._sansio.batch.budget import usd_of
from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.errors import BudgetExceededError, MusicError
from aiml_music.cli.exit_codes import BatchExit
from aiml_music.cli.screen import Screen, aligned, visible
from aiml_music.cli.standing import Doubt, Standing

WORDS = {
    JobState.DONE: "done",
    JobState.PLANNED: "to be sent",
    JobState.INTENT: "about to be sent",
    JobState.WIRE: "under way",
    JobState.ACCEPTED: "accepted: paid, being made",
    JobState.RECEIVED: "made, and without a name yet",
    JobState.IN_DOUBT: "in doubt",
    JobState.PAID_LOST: "paid for and lost",
    JobState.REJECTED: "refused",
    JobState.POISONED: "given up, for the program died with it again and again",
    JobState.CANCELLED: "cancelled",
}
_MOST_SHOWN = 20
_TO_BE_DONE = {JobState.PLANNED, JobState.INTENT, JobState.WIRE, JobState.ACCEPTED}
_NO_TRACK = {JobState.IN_DOUBT, JobState.PAID_LOST, JobState.ACCEPTED}
_BY_THE_USERS_WORD = {JobState.PAID_LOST, JobState.POISONED}


def exit_of(standing: Standing) -> BatchExit:
    """Return the exit code of a batch that nothing ended early."""
    if standing.jobs.get(JobState.IN_DOUBT) or standing.listed.get(JobState.PAID_LOST):
        return BatchExit.IN_DOUBT
    if standing.listed.get(JobState.ACCEPTED):
        return BatchExit.NOT_READY
    return BatchExit.ALL_DONE if set(_present(standing.listed)) <= {JobState.DONE} else BatchExit.NOT_MADE


def next_command(
    standing: Standing, again: str, *, budget: str | None = None, stopped: MusicError | None = None
) -> str:
    """Return what to type next; empty where there is nothing left to do.

    Args:
        standing: how the batch stands.
        again: the command that goes on with it, without its budget.
        budget: what the budget was; None is no limit.
        stopped: why it sends nothing more.
    """
    place = shlex.quote(str(standing.directory))
    more = f"{again} --budget MORE"
    again = again if budget is None else f"{again} --budget {shlex.quote(budget)}"
    jobs = set(_present(standing.jobs))
    if isinstance(stopped, BudgetExceededError):
        return more
    if jobs & {JobState.IN_DOUBT, JobState.RECEIVED}:
        return f"aiml-music {'settle' if JobState.IN_DOUBT in jobs else 'rescue'} {place}"
    if jobs & _TO_BE_DONE:
        return again
    if jobs & _BY_THE_USERS_WORD:
        return f"aiml-music settle {place} --pay-again LABEL"
    if JobState.REJECTED in jobs:
        return f"{again}, once the rows that were refused are corrected"
    # Of calls that were made again by the user's word; all that is open is what they cost.
    return f"aiml-music settle {place}" if standing.in_doubt else ""


def say_standing(standing: Standing, following: str, screen: Screen) -> None:
    """Print how a batch stands, and what to type next."""
    screen.facts(str(standing.directory), facts_of(standing))
    _say_rows(screen, "In doubt: perhaps charged, and no track.", [_cells(doubt) for doubt in standing.in_doubt])
    _say_rows(screen, "Paid for and lost.", [_cells(doubt) for doubt in standing.lost])
    _say_rows(
        screen,
        "Accepted: paid, being made. Run the same command again to collect.",
        [_cells(doubt) for doubt in standing.accepted],
    )
    _say_rows(screen, "Refused, at no cost.", _some(standing.refused))
    _say_rows(screen, "Not in this list, and left as they are.", _some([(name,) for name in standing.orphans]))
    _say_rows(screen, _missing_title(standing), _some([(name,) for name in standing.missing]))
    if following:
        screen.say()
        screen.say(f"Next: {following}")


def _missing_title(standing: Standing) -> str:
    place = shlex.quote(str(standing.directory))
    return (
        "Made and paid for, and not in the directory any more; none is made again by itself. "
        f"To have one made, and paid for, again: aiml-music settle {place} --pay-again FILE"
    )


def facts_of(standing: Standing) -> dict[str, str]:
    """Return the numbers of a batch, by name."""
    balance = standing.balance
    facts = {"jobs": f"{sum(standing.jobs.values()):,}"}
    facts |= {WORDS[state]: f"{count:,}" for state, count in _present(standing.jobs).items()}
    facts["spent"] = money(balance.spent)
    if balance.in_doubt:
        facts["money in doubt"] = money(balance.in_doubt)
    if balance.reserved:
        facts["money under way"] = money(balance.reserved)
    return facts


def money(amount: int) -> str:
    """Return credits in both currencies."""
    return f"{amount:,} credits (${usd_of(amount)})"


def standing_document(standing: Standing, following: str) -> dict[str, Any]:
    """Return how a batch stands as JSON values."""
    balance = standing.balance
    amounts = {"spent": balance.spent, "in_doubt": balance.in_doubt, "under_way": balance.reserved}
    return {
        "directory": str(standing.directory),
        "jobs": {str(state): standing.jobs.get(state, 0) for state in JobState},
        "jobs_of_the_list": {str(state): standing.listed.get(state, 0) for state in JobState},
        "money": {name: {"credits": amount, "usd": str(usd_of(amount))} for name, amount in amounts.items()},
        "in_doubt": [_doubt_document(doubt) for doubt in standing.in_doubt],
        "paid_lost": [_doubt_document(doubt) for doubt in standing.lost],
        "accepted": [_doubt_document(doubt) for doubt in standing.accepted],
        "rejected": [{"job": name, "reason": reason} for name, reason in standing.refused],
        "missing": list(standing.missing),
        "not_in_the_list": list(standing.orphans),
        "next": following or None,
    }


def again_of(jobs: Path, directory: Path, *options: str) -> str:
    """Return the command that begins a batch, and goes on with it."""
    return shlex.join(["aiml-music", "batch", str(jobs), "-o", str(directory), *options])


def _present(jobs: Mapping[JobState, int]) -> dict[JobState, int]:
    return {state: jobs[state] for state in WORDS if jobs.get(state)}


def _doubt_document(doubt: Doubt) -> dict[str, Any]:
    return {
        "job": doubt.job,
        "state_of_the_job": str(doubt.state),
        "client_request_id": doubt.client_request_id,
        "generation_id": doubt.generation_id,
        "sent_at": datetime.fromtimestamp(doubt.sent_at, UTC).isoformat(timespec="seconds"),
        "evidence": list(doubt.evidence),
    }


def _cells(doubt: Doubt) -> tuple[str, ...]:
    sent = datetime.fromtimestamp(doubt.sent_at).astimezone().isoformat(" ", "seconds")
    since = () if doubt.state in _NO_TRACK else (f"the job is {WORDS[doubt.state]} since",)
    return doubt.job, sent, doubt.client_request_id, "; ".join((*doubt.evidence, *since))


def _some(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    left = len(rows) - _MOST_SHOWN
    ending = [(f"... and {left:,} more", *[""] * (len(rows[0]) - 1))] if left > 0 else []
    return [*rows[:_MOST_SHOWN], *ending]


def _say_rows(screen: Screen, title: str, rows: Sequence[tuple[str, ...]]) -> None:
    if rows:
        screen.say()
        screen.say(title, style="bold")
        for line in aligned([("", *map(visible, row)) for row in rows]):
            screen.say(line)
