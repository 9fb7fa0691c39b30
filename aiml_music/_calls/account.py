"""Look into the account: what is left of the money, which models live. Nothing but GET is sent, and nothing charged."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import evolve

from aiml_music._calls.plans import read_plan
from aiml_music._calls.session import Remembered, Session
from aiml_music._sansio import account, verdict
from aiml_music._sansio.account import AccountBalance, ModelInfo
from aiml_music._sansio.hexjson import JsonLimits
from aiml_music._sansio.options import UNSET, Options, TimeoutInput, Timeouts, Unset, check_timeout
from aiml_music._sansio.retry import http_date

T = TypeVar("T")

# Of all models with their prices.
_A_LIST = JsonLimits(max_bytes=8 << 20, max_envelope_bytes=8 << 20)


async def balance(session: Session, options: Options, timeout: TimeoutInput | Unset) -> AccountBalance:
    """Ask what is left; see `AsyncMusicClient.balance`."""
    return await _asked(session, options, account.BALANCE_PATH, (), account.read_balance, timeout)


async def models(session: Session, options: Options, timeout: TimeoutInput | Unset) -> tuple[ModelInfo, ...]:
    """Ask what lives; see `AsyncMusicClient.models`."""
    return await _asked(
        session, options, account.MODELS_PATH, account.MODELS_QUERY, account.read_models, timeout, remembers=True
    )


async def model(session: Session, options: Options, name: str, timeout: TimeoutInput | Unset) -> ModelInfo:
    """Ask about one model; see `AsyncMusicClient.model`."""
    path = account.model_path(name)
    return await _asked(session, options, path, (), account.read_model, timeout, remembers=True)


async def reach(session: Session, options: Options, timeout: TimeoutInput | Unset) -> float | None:
    """Ask for the list of models without reading it, and return the service's time of day, where it says that.

    Raises:
        MusicError: it could not be reached.
    """
    plan = await read_plan(options, account.MODELS_PATH, account.MODELS_QUERY, _limits(options, timeout))
    async with session.call(plan) as call:
        await call.open()
        return http_date(call.header("date") or "")


async def _asked(
    session: Session,
    options: Options,
    path: str,
    query: Sequence[tuple[str, str]],
    read: Callable[[Mapping[str, Any]], T | None],
    timeout: TimeoutInput | Unset,
    *,
    remembers: bool = False,
) -> T:
    plan = await read_plan(options, path, query, _limits(options, timeout), limits=_A_LIST)
    known = session.remembered.get(plan.request.url) if remembers else None
    if known is not None:
        request = evolve(plan.request, headers=(*plan.request.headers, ("if-none-match", known.etag)))
        plan = evolve(plan, request=request, unchanged=known.reply)
    async with session.call(plan) as call:
        await call.open()
        # None of these answers holds audio; if one ever does, it is read past.
        await call.read_on(lambda _audio: None)
        value = read(call.reply.raw)
        if value is None:
            raise call.error(verdict.of_broken_answer(call.evidence, "not in the shape it should have"))
        if remembers and (etag := call.header("etag")):
            session.remembered[plan.request.url] = Remembered(etag, call.reply)
        return value


def _limits(options: Options, timeout: TimeoutInput | Unset) -> Timeouts:
    return options.timeouts_for_read() if timeout is UNSET else check_timeout(timeout)
