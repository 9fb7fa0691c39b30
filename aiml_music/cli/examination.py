"""What `doctor` looks at, one thing after the other: each look gives findings, and never raises for what is broken."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from attrs import frozen

from aiml_music._calls import account
from aiml_music._calls.session import Session
from aiml_music._io.clock import SystemClock
from aiml_music._io.proxies import proxy_for
from aiml_music._io.transport import HttpxTransport
from aiml_music._sansio.account import ModelInfo
from aiml_music._sansio.errors import ConfigError, MusicError
from aiml_music._sansio.options import (
    UNSET,
    Options,
    Timeouts,
    base_url_from_env,
    check_base_url,
    is_loopback,
    key_from_env,
)
from aiml_music._sansio.retry import RetryPolicy
from aiml_music._sansio.secret import KEY_VARIABLES
from aiml_music.cli.exit_codes import ExitCode, exit_code_of
from aiml_music.cli.faults import in_words_of_the_command

# A proxy's or a resolver's silence is an answer, too.
_PATIENCE = Timeouts(total=20.0, connect=10.0, idle=10.0)
_SKEW_SECONDS = 120.0
# Ten minutes of the best MP3, or a minute of WAV.
_ROOM_BYTES = 20_000_000


class Verdict(StrEnum):
    """How a thing was found."""

    FINE = "ok"
    NOTE = "note"
    """It works, and deserves a look."""
    BROKEN = "broken"
    SKIPPED = "skipped"
    """It cannot be looked at while something before it is broken."""


@frozen(kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name, a word or two.
        said: what was found, one sentence without a full stop.
        remedy: what to do about it; empty where there is nothing to do.
        code: the exit code it means where it is broken.
    """

    what: str
    verdict: Verdict
    said: str
    remedy: str = ""
    code: ExitCode = ExitCode.UNUSABLE


def _broken(what: str, error: MusicError) -> Finding:
    return Finding(
        what=what,
        verdict=Verdict.BROKEN,
        said=in_words_of_the_command(error.message).rstrip("."),
        remedy=in_words_of_the_command(error.hint or "Try again later."),
        code=exit_code_of(error),
    )


def _skipped(what: str, because: str) -> Finding:
    return Finding(what=what, verdict=Verdict.SKIPPED, said=f"not looked at: {because}")


def key_finding(environ: Mapping[str, str]) -> Finding:
    """Look at the key, and never show it."""
    try:
        key_from_env(environ)
    except ConfigError as error:
        return _broken("key", error)
    name = next(name for name in KEY_VARIABLES if environ.get(name))
    return Finding(what="key", verdict=Verdict.FINE, said=f"{name} holds a key that looks like one")


def address_finding(environ: Mapping[str, str]) -> Finding:
    """Look at the address, and at the proxy on the way to it."""
    try:
        address = check_base_url(base_url_from_env(environ))
    except ConfigError as error:
        return _broken("address", error)
    host = urlsplit(address).hostname or ""
    if is_loopback(host):
        return Finding(what="address", verdict=Verdict.NOTE, said=f"{address} is this machine, not the service")
    proxy = proxy_for(address)
    way = "" if proxy is None else f", through the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}"
    return Finding(what="address", verdict=Verdict.FINE, said=f"{address}{way}")


async def name_finding(address: str) -> Finding:
    """Look the name of the service up."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if proxy_for(address) is not None:
        return Finding(what="name", verdict=Verdict.FINE, said=f"{host} is looked up by the proxy")
    try:
        found = await anyio.getaddrinfo(host, port)
    except OSError as error:
        return Finding(
            what="name",
            verdict=Verdict.BROKEN,
            said=f"{host} is not found: {error.strerror or error}",
            remedy="Check the network, this machine's resolver, and AIML_API_BASE.",
            code=ExitCode.NOT_SENT,
        )
    addresses = ", ".join(dict.fromkeys(str(where[0]) for *_, where in found))
    return Finding(what="name", verdict=Verdict.FINE, said=f"{host} is {addresses}")


class Service:
    """The service, as far as it answers."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._options = Options(
            api_key=key_from_env(environ),
            base_url=check_base_url(base_url_from_env(environ)),
            timeouts=_PATIENCE,
            retry=RetryPolicy(attempts=1),
        )
        self._clock = SystemClock()
        self._session = Session(transport=HttpxTransport(), clock=self._clock)

    async def findings(self, model: str) -> AsyncIterator[Finding]:
        """Look whether it answers, what time it has, whether it takes the key, and whether a model lives."""
        began = self._clock.monotonic()
        try:
            date = await account.reach(self._session, self._options, UNSET)
        except MusicError as error:
            yield _broken("service", error)
            for what in ("clock", "credit", "model"):
                yield _skipped(what, "the service was not reached")
            return
        seconds = self._clock.monotonic() - began
        yield Finding(what="service", verdict=Verdict.FINE, said=f"it answers, within {seconds:.1f} s")
        yield clock_finding(date, self._clock.time())
        yield await self._credit()
        yield await self._model(model)

    async def _credit(self) -> Finding:
        try:
            left = await account.balance(self._session, self._options, UNSET)
        except MusicError as error:
            return _broken("credit", error)
        if left.amount <= 0:
            return Finding(
                what="credit",
                verdict=Verdict.BROKEN,
                said=f"the key is accepted, and nothing is left: {left}",
                remedy="Top up the account.",
                code=ExitCode.REFUSED,
            )
        return Finding(what="credit", verdict=Verdict.FINE, said=f"the key is accepted; {left} left")

    async def _model(self, name: str) -> Finding:
        try:
            models = await account.models(self._session, self._options, UNSET)
        except MusicError as error:
            return _broken("model", error)
        return model_finding(name, models)


def clock_finding(date: float | None, now: float) -> Finding:
    """Compare the service's time of day with this machine's, both as Unix time."""
    if date is None:
        return Finding(what="clock", verdict=Verdict.NOTE, said="the service does not say what time it is")
    ahead = now - date
    if abs(ahead) <= _SKEW_SECONDS:
        return Finding(what="clock", verdict=Verdict.FINE, said="this machine's clock agrees with the service's")
    direction = "ahead of" if ahead > 0 else "behind"
    return Finding(
        what="clock",
        verdict=Verdict.NOTE,
        said=f"this machine's clock is {abs(ahead):,.0f} s {direction} the service's",
        remedy="Set the clock: certificates and the usage log go by it.",
    )


def model_finding(name: str, models: tuple[ModelInfo, ...]) -> Finding:
    """Say whether a model lives."""
    found = next((model for model in models if name in (model.id, *model.aliases)), None)
    if found is not None and found.is_listed:
        price = (
            ""
            if found.price_credits is None
            else f"; a track costs {found.price_credits:,} credits (${found.price_usd:f})"
        )
        return Finding(what="model", verdict=Verdict.FINE, said=f"{name} is listed{price}")
    living = ", ".join(model.id for model in models if model.is_listed) or "none that makes music"
    return Finding(
        what="model",
        verdict=Verdict.BROKEN,
        said=f"{name} is not in the service's list of models, and may have been withdrawn",
        remedy=f"It lists: {living}. Take one with --model.",
        code=ExitCode.REFUSED,
    )


def folder_finding(directory: Path) -> Finding:
    """Look whether tracks can be written to a directory."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".aiml-music-") as probe:
            probe.write(b"\0")
            probe.flush()
            os.fsync(probe.fileno())
        return room_finding(directory, shutil.disk_usage(directory).free)
    except OSError as error:
        return Finding(
            what="folder",
            verdict=Verdict.BROKEN,
            said=f"{directory} cannot be written to: {error.strerror}",
            remedy="Make it, or name another one with -o.",
        )


def room_finding(directory: Path, free: int) -> Finding:
    """Say whether so many bytes are room enough for a track."""
    if free < _ROOM_BYTES:
        return Finding(
            what="folder",
            verdict=Verdict.BROKEN,
            said=f"{directory} has only {free:,} bytes left",
            remedy="Make room, or name another one with -o.",
        )
    return Finding(
        what="folder", verdict=Verdict.FINE, said=f"{directory} can be written to; {free / 1e9:,.1f} GB left"
    )


async def examined(environ: Mapping[str, str], *, model: str, directory: Path) -> AsyncIterator[Finding]:
    """Look at everything, in the order in which one thing needs another."""
    key, address = key_finding(environ), address_finding(environ)
    yield key
    yield address
    if address.verdict is Verdict.BROKEN:
        yield _skipped("service", "its address cannot be used")
    else:
        yield await name_finding(check_base_url(base_url_from_env(environ)))
        if key.verdict is Verdict.BROKEN:
            yield _skipped("service", "there is no key to ask it with")
        else:
            async for finding in Service(environ).findings(model):
                yield finding
    yield folder_finding(directory)
