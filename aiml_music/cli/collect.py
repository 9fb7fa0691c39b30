"""`aiml-music collect`: fetch a track that was paid for, by the id the service has it under. Pays nothing."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aiml_music._sansio.models import AudioFormat, Track
from aiml_music.cli.calls import client_of, run, service
from aiml_music.cli.parameters import AsJson, OnScreen, Switch
from aiml_music.cli.salvage import salvaging
from aiml_music.cli.screen import Screen
from aiml_music.cli.wording import track_document, track_facts


def collect(
    # Ids are of letters, digits, - and _, in any order.
    generation_id: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    model: str | None = None,
    overwrite: Switch = False,
    timeout: float | None = None,
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Wait for a track that was paid for before, and fetch it. It costs nothing.

    The id is in what a command printed when it ended early, in a receipt,
    and in what status says of a batch. What was accepted in a batch is
    collected by that batch: type its command again.

    Args:
        generation_id: The id that the service has the track under.
        output: The file to make. It must not exist.
        model: The model that makes it, for how long to wait and how often to ask.
        overwrite: Replace the file if it exists, once the track is whole.
        timeout: Seconds to wait. Left out: 1800.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    # Nothing in the bytes says that they are PCM.
    audio_format: AudioFormat | None = "pcm" if output.suffix.lower() == ".pcm" else None

    async def work() -> Track:
        with screen.step(f"Collecting {output.name}"), salvaging(output):
            return await client_of(timeout).collect(
                generation_id, to=output, overwrite=overwrite, audio_format=audio_format, model=model
            )

    _show(run(work), as_json=as_json, screen=screen)


def _show(track: Track, *, as_json: bool, screen: Screen) -> None:
    if as_json:
        screen.document({"track": track_document(track), "service": service()})
    else:
        screen.facts(str(track.path), track_facts(track) | {"service": service()})
