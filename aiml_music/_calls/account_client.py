"""What a client can ask of the account: the balance, the models, and what became of a call. Nothing here is charged."""

from datetime import datetime

from aiml_music._calls import account, settling
from aiml_music._calls.session import Session
from aiml_music._sansio.account import AccountBalance, ModelInfo
from aiml_music._sansio.models import Settlement
from aiml_music._sansio.options import UNSET, Options, TimeoutInput, Unset


class AccountClient:
    """The part of `AsyncMusicClient` that only reads."""

    _session: Session
    _options: Options

    async def balance(self, *, timeout: TimeoutInput | Unset = UNSET) -> AccountBalance:
        """Ask what is left of the money.

        Args:
            timeout: as in the constructor, for this question; default: 120 s.

        Raises:
            AuthenticationError: the key is not accepted.
            MusicError: the service could not be asked, or answered without a balance.
        """
        return await account.balance(self._session, self._options, timeout)

    async def models(self, *, timeout: TimeoutInput | Unset = UNSET) -> tuple[ModelInfo, ...]:
        """Ask which models live, and what they cost.

        Those whose fields this library knows come first, also where the service does not list them (`is_listed`); then
        every other one it lists for music. The list is sent again only when it has changed.

        Args:
            timeout: as in the constructor, for this question; default: 120 s.

        Raises:
            MusicError: the service could not be asked, or answered without a list.
        """
        return await account.models(self._session, self._options, timeout)

    async def model(self, name: str, /, *, timeout: TimeoutInput | Unset = UNSET) -> ModelInfo:
        """Ask about one model, by its id or an alias.

        Args:
            name: such as `minimax/music-2.0`.
            timeout: as in the constructor, for this question; default: 120 s.

        Raises:
            InputError: the name is no text.
            NotFoundError: the service knows no such model.
            MusicError: the service could not be asked.
        """
        return await account.model(self._session, self._options, name, timeout)

    async def settle(
        self,
        client_request_id: str,
        *,
        sent_at: datetime | float | None = None,
        model: str | None = None,
        attempts: int = 1,
        wait: float | None = None,
        timeout: TimeoutInput | Unset = UNSET,
    ) -> Settlement:
        """Ask the service's own books what became of a call whose answer was lost: was it carried out, was it paid?

        It reads the usage log, and the billing ledger where the log states no cost. Nothing else is sent, so that it
        costs nothing and may be asked as often as you like.

        Args:
            client_request_id: the id of the call, as its error has it.
            sent_at: when it was sent: a `datetime` with a time zone, or Unix time; None looks through the last 7 days.
            model: only rows of this model, spelt as in the log; None is any.
            attempts: how many attempts of the call may have reached the service. The hint of its error says so, where
                there was more than one.
            wait: seconds to keep looking while there is no answer, after 30 s, 1, 2, 5, 10 and 30 min; None looks once.
            timeout: as in the constructor, for each look; default: 120 s.

        Raises:
            InputError: an argument cannot be what its author means.
            MusicError: the log could not be read. `money` and `outcome` are those of the reading, and say nothing about
                the call that was asked about.
        """
        return await settling.settle(
            self._session,
            self._options,
            client_request_id,
            sent_at=sent_at,
            model=model,
            attempts=attempts,
            wait=wait,
            timeout=timeout,
        )
