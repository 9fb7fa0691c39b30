"""`aiml-music demo`: six tracks at once against a sandbox of its own, without a key and without money."""

import logging
import secrets
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import anyio
from cyclopts import Parameter

from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.models import Receipt, Reference, Track
from aiml_music.cli.calls import run
from aiml_music.cli.exit_codes import ExitCode
from aiml_music.cli.faults import CommandError, fault_of
from aiml_music.cli.parameters import Loading, OnScreen
from aiml_music.cli.sandbox import load_sandbox, settings_of
from aiml_music.cli.screen import Board, Screen, aligned
from aiml_music.cli.songs import SONGS, DemoSong
from aiml_music.cli.wording import bits, rate
from aiml_music.client import AsyncMusicClient

if TYPE_CHECKING:
    from aiml_music._sansio.audio import AudioInfo

_SILENCE = logging.NullHandler()
_REFERENCE_SECONDS = 12.0
_HEADINGS = ("file", "seconds", "its frames say", "cost", "request id")
_NUMBERS = frozenset({1, 3})

Ending = Track | MusicError


def demo(
    *,
    reference: Path | None = None,
    output: Annotated[Path, Parameter(name=("--output", "-o"))] = Path("aiml-music-demo"),
    latency: float = 3.0,
    longest: float = 60.0,
    scenario: str | None = None,
    screen: OnScreen,
    load: Loading,
) -> ExitCode:
    """Make six different tracks at once, without a key and without money.

    They come from a sandbox that runs inside this command: real files over
    real HTTP, with a voice that hums vowels instead of words.

    Args:
        reference: A song of yours to begin with, WAV or MP3, longer than 10 s. Left out: one is made.
        output: The directory to make for the tracks; where it exists, one with the next free number.
        latency: Seconds that a generation takes.
        longest: No track is longer than so many seconds, 0.5 to 60.
        scenario: Let one generation meet a named fault, to see what is said about it.
        screen: Where to print.
        load: Imports the sandbox.
    """
    service = load_sandbox(load)
    settings = settings_of(
        service,
        latency=latency,
        longest_track=longest,
        scenario=scenario,
        scenario_uses=None if scenario is None else 1,
    )
    # A server that ends in the middle of its work complains at length, where nobody has said how to log.
    logging.getLogger("uvicorn").addHandler(_SILENCE)
    try:
        with service.running(settings) as server:
            client = AsyncMusicClient(base_url=server.base_url, api_key=server.api_key)
            return _report(*_played(client, service, reference, output, screen), server.sandbox, screen)
    except KeyboardInterrupt as interruption:
        interruption.add_note("It was the sandbox: no money was spent.")
        raise


def fresh_directory(wanted: Path) -> Path:
    """Make a directory that did not exist: the one wanted, or one with a number behind its name.

    Raises:
        CommandError: none can be made there.
    """
    try:
        directory, number = wanted.resolve(), 1
        while True:
            try:
                directory.mkdir(parents=True)
            except FileExistsError:
                number += 1
                directory = directory.with_name(f"{wanted.resolve().name}-{number}")
            else:
                return directory
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"{str(wanted)!r} cannot be made: {reason}.", "Give another --output.") from None


def _played(
    client: AsyncMusicClient, service: Any, reference: Path | None, output: Path, screen: Screen
) -> tuple[list[Ending], Path]:
    with screen.board() as board:
        song = reference or _made(service, board)
        folder = fresh_directory(output)
        return run(lambda: _perform(client, song, folder, board)), folder


def _made(service: Any, board: Board) -> bytes:
    with board.step("Making a song to begin with"):
        song: bytes = service.make_reference(_REFERENCE_SECONDS)
        return song


async def _perform(client: AsyncMusicClient, song: Path | bytes, folder: Path, board: Board) -> list[Ending]:
    with board.step("Uploading it as the reference"):
        reference = await client.upload(song, purpose="song")
    endings: dict[int, Ending] = {}
    mark = secrets.token_hex(3)

    async def sing(number: int, wanted: DemoSong) -> None:
        with board.step(f"Track {number}: {wanted.kind}") as step:
            target = folder / f"{number}-{wanted.name}.mp3"
            ending = endings[number] = await _sing(client, wanted, reference, target, f"demo-{number}-{mark}")
            step.outcome = target.name if isinstance(ending, Track) else type(ending).__name__

    async with anyio.create_task_group() as group:
        for number, wanted in enumerate(SONGS, 1):
            group.start_soon(sing, number, wanted)
    return [endings[number] for number in sorted(endings)]


async def _sing(
    client: AsyncMusicClient, song: DemoSong, reference: Reference, target: Path, request_id: str
) -> Ending:
    try:
        return await client.generate(
            lyrics=song.lyrics,
            refer_voice=reference.voice_id if song.with_voice else None,
            refer_instrumental=reference.instrumental_id if song.with_instrumental else None,
            to=target,
            client_request_id=request_id,
        )
    except MusicError as error:
        # One that fails must not take the others with it: in earnest they would be paid for.
        return error


def _report(endings: Sequence[Ending], folder: Path, account: Any, screen: Screen) -> ExitCode:
    tracks = [ending for ending in endings if isinstance(ending, Track)]
    faults = [fault_of(ending) for ending in endings if isinstance(ending, MusicError)]
    screen.say()
    screen.say(f"{len(tracks)} tracks in {folder}", style="bold")
    screen.say()
    for line in aligned([_HEADINGS, *map(_row, tracks)], right=_NUMBERS):
        screen.say(line)
    screen.say()
    for line in _bill(tracks, account):
        screen.say(line)
    screen.say("This was the sandbox: the voice hums vowels, not words. Nobody paid anything.")
    for fault in faults:
        screen.note("")
        screen.fault(fault)
    return faults[0].code if faults else ExitCode.OK


def _row(track: Track) -> tuple[str, ...]:
    # An MP3 that was asked for in a file has all three.
    audio, receipt, path = cast("AudioInfo", track.audio), cast("Receipt", track.receipt), cast("Path", track.path)
    return (
        path.name,
        f"{audio.duration:.1f}",
        f"{rate(audio.sample_rate_hz)}, {bits(audio.bitrate)}",
        f"${receipt.usd_spent}",
        receipt.client_request_id,
    )


def _bill(tracks: Sequence[Track], account: Any) -> list[str]:
    receipts = [cast("Receipt", track.receipt) for track in tracks]
    credits_used = sum(receipt.credits_used or 0 for receipt in receipts)
    usd = sum((receipt.usd_spent or Decimal(0) for receipt in receipts), Decimal(0))
    verdict = "The two agree: every track was paid for once."
    if credits_used != account.credits:
        lost = account.credits - credits_used
        verdict = f"They differ by {lost:,} credits, for a track that did not arrive; see below."
    return [
        *aligned(
            [
                ("Paid, by the receipts:", f"{credits_used:,} credits (${usd})"),
                ("Charged, by the sandbox:", f"{account.credits:,} credits, in {account.charges} charges"),
            ]
        ),
        verdict,
    ]
