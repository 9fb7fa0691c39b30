"""`aiml-music upload`: teach the service a reference, and print the ids it gave."""

from pathlib import Path

from aiml_music._sansio.models import Reference
from aiml_music.cli.calls import client_of, run, service
from aiml_music.cli.parameters import AsJson, OnScreen, PurposeName
from aiml_music.cli.screen import Screen
from aiml_music.cli.wording import reference_document, reference_facts


def upload(
    file: Path,
    /,
    *,
    purpose: PurposeName,
    timeout: float | None = None,
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Teach the service a reference, and print its ids.

    Args:
        file: WAV or MP3, longer than 10 s and at most 10 minutes.
        purpose: What is in it. A song gives both ids; a voice is singing alone, not speech.
        timeout: Seconds for the whole call. Left out: 120, and one more for every 100 kB.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    client = client_of(timeout)

    async def work() -> Reference:
        with screen.step(f"Uploading {file.name}"):
            return await client.upload(file, purpose=purpose)

    _show(run(work), file.name, as_json=as_json, screen=screen)


def _show(reference: Reference, title: str, *, as_json: bool, screen: Screen) -> None:
    if as_json:
        screen.document({"reference": reference_document(reference), "service": service()})
    else:
        screen.facts(title, reference_facts(reference) | {"service": service()})
