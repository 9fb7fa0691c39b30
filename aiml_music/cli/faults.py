"""What a person and a script are told about an error: what went wrong, what became of the money, what to type next.

Pure: an error in, a `Fault` out. Which code it has is decided in `exit_codes`; printing is left to `screen`.
"""

import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from aiml_music._sansio.errors import APIError, MusicError
from aiml_music._sansio.outcome import Outcome
from aiml_music.cli.exit_codes import ExitCode, exit_code_of


class CommandError(Exception):
    """The command as typed, or this machine, does not allow it; no call was begun.

    Args:
        message: what is wrong, one sentence.
        hint: what to type instead.
        details: what else is known, by name, for scripts.
    """

    def __init__(self, message: str, hint: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, Any] = details or {}


@frozen(kw_only=True)
class Fault:
    """An error, ready to be shown.

    Attributes:
        kind: the error's class, for scripts.
        happened: what became of the request and the money; empty where there was no request to speak of.
        saved: where the bytes are that were paid for.
        details: what else is known, by name, for scripts.
        ids: what to quote to the service's support.
        trace: where a fault of this program happened.
    """

    kind: str
    code: ExitCode
    message: str
    happened: str = ""
    hint: str = ""
    saved: str = ""
    ids: Mapping[str, str] = field(factory=dict)
    details: Mapping[str, Any] = field(factory=dict)
    trace: str = ""

    def document(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "error": {
                "type": self.kind,
                "exit_code": int(self.code),
                "message": self.message,
                "what_happened": self.happened or None,
                "hint": self.hint or None,
                "salvage": self.saved or None,
                **self.details,
            }
        }


def fault_of(error: BaseException) -> Fault:
    """Return what to say about an error."""
    kind = type(error).__name__
    match error:
        case MusicError():
            return _fault_of_call(error)
        case CommandError():
            return Fault(
                kind=kind,
                code=ExitCode.UNUSABLE,
                message=error.message,
                hint=error.hint or "",
                details=error.details,
            )
        case KeyboardInterrupt():
            notes = [note.removeprefix("aiml_music: ") for note in getattr(error, "__notes__", ())]
            return Fault(kind=kind, code=ExitCode.INTERRUPTED, message="Interrupted.", happened=" ".join(notes))
    return Fault(
        kind=kind,
        code=ExitCode.UNEXPECTED,
        message=f"Unexpected {kind}: {error}",
        hint="This is a fault of the program: please report it, with the lines below.",
        trace="".join(traceback.format_exception(error)),
    )


def _fault_of_call(error: MusicError) -> Fault:
    ids = {
        "request id": error.client_request_id,
        "generation id": error.generation_id,
        "inference id": error.inference_id,
        "trace id": error.trace_id,
    }
    happened = error.happened
    if isinstance(error.salvage, bytes):
        happened += " What came of the track could not be saved anywhere."
    ours = error.outcome is Outcome.NOT_SENT
    return Fault(
        kind=type(error).__name__,
        code=exit_code_of(error),
        # What the service said stays as it said it.
        message=in_words_of_the_command(error.message) if ours else error.message,
        happened=happened,
        hint=in_words_of_the_command(error.hint or ""),
        saved=str(error.salvage) if isinstance(error.salvage, Path) else "",
        ids={name: value for name, value in ids.items() if value},
        details=_details_of(error),
    )


def _details_of(error: MusicError) -> dict[str, Any]:
    details: dict[str, Any] = {
        "outcome": str(error.outcome),
        "money": str(error.money),
        "phase": str(error.phase),
        "operation": error.operation and str(error.operation),
        "attempts": len(error.attempts),
        "elapsed": round(error.elapsed, 3),
        "client_request_id": error.client_request_id,
        "generation_id": error.generation_id,
        "inference_id": error.inference_id,
        "trace_id": error.trace_id,
        "credits_used": error.credits_used,
        "usd_spent": None if error.usd_spent is None else str(error.usd_spent),
    }
    if isinstance(error, APIError):
        details |= {
            "status": error.status,
            "api_code": error.api_code,
            "api_message": error.api_message,
            "fields": list(error.fields),
            "retry_after": error.retry_after,
        }
    return details


_COLLECT = re.compile(r"collect it: client\.collect\(.*, to=\.\.\.\), or ")
# The library speaks to people who write Python; these are the same things at a prompt.
_WORDS = (
    (", or pass api_key=.", "."),
    ("Pass model= one", "Pass --model one"),
    ("pass overwrite=True", "add --overwrite"),
    ("lyrics_check='warn'", "--lyrics-check warn"),
    ("Use https, or pass allow_insecure_http=True for a network you trust.", "Use https."),
    ("base_url", "AIML_API_BASE"),
    ("total must", "--timeout must"),
    ("Its bytes are in this error's salvage.", ""),
    ("; what had come of the track is in this error's salvage", ""),
    ("or have copies numbered", "or add --number-copies"),
    ("refer_voice", "--voice"),
    ("refer_instrumental", "--instrumental"),
    ("reference_audio=", "--reference-audio"),
    ("extra_body passes on what this library does not know.", 'The guide "Which model?" lists them all.'),
    ("use what upload() returned, without blanks", "use what `aiml-music upload` printed, without blanks"),
    ("Send fewer at once (max_concurrency), or later.", "Try again later."),
    ('Pass audio_setting={"format": "mp3"}', "Add --format mp3"),
    ('Pass audio_setting={"format": "wav"}', "Add --format wav"),
    ('Pass audio_setting={"format": "pcm"}', "Add --format pcm"),
)


def in_words_of_the_command(text: str) -> str:
    """Return a sentence of the library as somebody at a prompt would say it."""
    text = _COLLECT.sub("collect it: ", text)
    for ours, typed in _WORDS:
        text = text.replace(ours, typed)
    return text
