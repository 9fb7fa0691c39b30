"""`aiml-music settle`: ask the service's own books about the calls of a batch that are in doubt. Pays nothing."""

import shlex
from pathlib import Path
from typing import Any

from aiml_music._sansio.batch.states import JobState
from aiml_music.batch.settling import JobSettlement
from aiml_music.cli.batch_report import WORDS, next_command, say_standing, standing_document
from aiml_music.cli.calls import client_of, run, service
from aiml_music.cli.exit_codes import ExitCode
from aiml_music.cli.parameters import AsJson, OnScreen, Switch
from aiml_music.cli.screen import Screen
from aiml_music.cli.standing import Standing, check_is_batch, standing_of
from aiml_music.cli.wording import plain

_REASON = "typed: aiml-music settle --pay-again"


def settle(
    directory: Path,
    /,
    *,
    wait: float | None = None,
    absent_is_unpaid: Switch = False,
    pay_again: str | None = None,
    unsafe_fs: Switch = False,
    as_json: AsJson = False,
    screen: OnScreen,
) -> ExitCode:
    """Ask the service what became of the calls in doubt. It costs nothing.

    What was proven unpaid is made by the next run. The exit code is 0 where
    nothing is left in doubt, otherwise 4.

    Args:
        directory: Where the batch is.
        wait: Seconds to keep looking; a charge may be listed half an hour late. Left out: one look.
        absent_is_unpaid: Your word that a call which is not listed half an hour later was not paid. You may pay twice.
        pay_again: Ask nothing, and have the job of this label sent again, though it may be paid twice.
        unsafe_fs: As for `batch`.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    check_is_batch(directory)

    async def work() -> list[JobSettlement]:
        client = client_of(None)
        async with client, client.batch(directory, unsafe_fs=unsafe_fs) as opened:
            if pay_again is not None:
                await opened.pay_again(pay_again, reason=_REASON)
                return []
            return await opened.settle(wait=wait, absent_is_unpaid=absent_is_unpaid)

    with screen.step("Noting your word" if pay_again is not None else "Asking the usage log"):
        found = run(work)
    standing = standing_of(directory)
    following = _following(standing, found)
    if as_json:
        settled = [_document(settlement) for settlement in found]
        screen.document({"settled": settled, "batch": standing_document(standing, following), "service": service()})
    else:
        _say(found, screen)
        say_standing(standing, following, screen)
    is_open = standing.jobs.get(JobState.IN_DOUBT) or any(job.in_doubt for job in found)
    return ExitCode.IN_DOUBT if is_open else ExitCode.OK


def _following(standing: Standing, found: list[JobSettlement]) -> str:
    place = shlex.quote(str(standing.directory))
    open_ones = [job for job in found if job.in_doubt]
    if any(job.probably_never_arrived for job in open_ones):
        return f"aiml-music settle {place} --absent-is-unpaid"
    if open_ones:
        return f"aiml-music settle {place} --wait 1800"
    return next_command(standing, f"aiml-music batch JOBS -o {place}")


def _say(found: list[JobSettlement], screen: Screen) -> None:
    for job in found:
        known = job.error.message if job.settlement is None and job.error is not None else str(job.settlement)
        absent = " It probably never arrived." if job.probably_never_arrived else ""
        name = job.label or job.key[:16]
        call = f"An earlier call of {name}, which" if job.is_earlier else name
        screen.say(f"{call} is {WORDS[job.state]}: {known}{absent}")
    if found:
        screen.say()


def _document(job: JobSettlement) -> dict[str, Any]:
    return {
        "job": job.label or job.key,
        "state": str(job.state),
        "client_request_id": job.client_request_id,
        "settlement": plain(job.settlement),
        "error": None if job.error is None else job.error.message,
        "in_doubt": job.in_doubt,
        "is_earlier": job.is_earlier,
        "probably_never_arrived": job.probably_never_arrived,
    }
