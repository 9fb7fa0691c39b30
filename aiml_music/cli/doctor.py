"""`aiml-music doctor`: look at everything a track needs, before it costs anything."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music.cli.calls import run
from aiml_music.cli.examination import Finding, Verdict, examined
from aiml_music.cli.exit_codes import ExitCode
from aiml_music.cli.parameters import AsJson, OnScreen
from aiml_music.cli.screen import Screen

_STYLES = {Verdict.FINE: "green", Verdict.NOTE: "yellow", Verdict.BROKEN: "bold red", Verdict.SKIPPED: "dim"}


def doctor(
    *,
    model: str = MUSIC_01.id,
    output: Annotated[Path, Parameter(name=("--output", "-o"))] = Path(),
    as_json: AsJson = False,
    screen: OnScreen,
) -> ExitCode:
    """Look at everything a track needs: key, network, account, model, folder.

    Nothing is generated and nothing costs money; the key is never shown. The
    exit code is 0 where nothing is broken, else that of the first thing that
    is.

    Args:
        model: The model you want to use.
        output: The directory you want tracks in.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    findings: list[Finding] = []

    async def work() -> None:
        async for finding in examined(os.environ, model=model, directory=output):
            findings.append(finding)
            if not as_json:
                _say(finding, screen)

    run(work)
    if as_json:
        screen.document({"findings": [_document(finding) for finding in findings]})
    broken = [finding for finding in findings if finding.verdict is Verdict.BROKEN]
    return broken[0].code if broken else ExitCode.OK


def _say(finding: Finding, screen: Screen) -> None:
    screen.say(f"{finding.verdict:8}{finding.what:9}{finding.said}.", style=_STYLES[finding.verdict])
    if finding.remedy:
        screen.say(f"{'':17}{finding.remedy}")


def _document(finding: Finding) -> dict[str, str | None]:
    return {
        "what": finding.what,
        "verdict": str(finding.verdict),
        "said": finding.said,
        "remedy": finding.remedy or None,
    }
