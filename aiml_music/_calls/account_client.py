"""What a client can ask for without paying: the balance, the models, what became of a call, a track paid for before."""

from datetime import datetime
from os import PathLike

from aiml_music._calls import account, settling
from aiml_music._calls.collecting import collect
from aiml_music._calls.session import Session
from aiml_music._sansio.account import AccountBalance, ModelInfo
from aiml_music._sansio.models import AudioFormat, Settlement, Track
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

    async def collect(
        self,
        generation_id: str,
        *,
        to: str | PathLike[str] | None = None,
        overwrite: bool = False,
        audio_format: AudioFormat | None = None,
        model: str | None = None,
        timeout: TimeoutInput | Unset = UNSET,
        client_request_id: str | None = None,
    ) -> Track:
        """Wait for the track of a generation that was submitted before, and fetch it. Nothing is paid.

        Queued models make a track under an id: `Generation.id`, an error's `generation_id`, a receipt's. Whatever ended
        the call that submitted it, the track can be had by that for as long as the service keeps it, often for a day.

        Args:
            generation_id: the id.
            to: the file to make, as in `generate`; None keeps the track in memory.
            overwrite: replace the file if it exists, once the track is whole.
            audio_format: `mp3` or `wav`, if the track must be that; None takes what comes, and `Track.format` says it.
            model: the model that makes it, for how long to wait and how often to ask.
            timeout: as in the constructor, for this call; default: 1800 s.
            client_request_id: your own id of this call; default: a new one.

        Raises:
            InputError: an argument cannot be what its author means.
            NotReadyError: it is not done in time; collect it later.
            NotFoundError: the service does not know the id.
            ResultGoneError: the service has the track no longer.
            MusicError: see the error tree. `money` is what is known of the generation's own charge.
        """
        return await collect(
            self._session,
            self._options,
            generation_id,
            to=to,
            overwrite=overwrite,
            audio_format=audio_format,
            model=model,
            timeout=timeout,
            client_request_id=client_request_id,
        )

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
