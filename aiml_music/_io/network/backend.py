"""Where the HTTP library gets its connections from."""

from collections.abc import Iterable
from types import ModuleType

from aiml_music._io.network.connecting import SocketOption, connected
from aiml_music._io.network.streams import SocketStream
from aiml_music._io.pacer import pacer
from aiml_music._sansio.result_url import Reach


class Backend:
    """What makes connections for the HTTP library, in place of its own.

    Args:
        errors: the library, which wants its own exceptions.
        reach: which addresses may be connected to; None is any.
    """

    def __init__(self, errors: ModuleType, reach: Reach | None = None) -> None:
        self._errors = errors
        self._reach = reach

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - limits of time stand above
        local_address: str | None = None,  # noqa: ARG002 - nobody here asks for one
        socket_options: Iterable[SocketOption] | None = None,
    ) -> SocketStream:
        """Connect to a host.

        Raises:
            ConnectError: the library's own; it cannot be reached.
        """
        mine = pacer()
        await mine.step()
        try:
            made = await connected(host, port, socket_options or (), reach=self._reach)
        except OSError as error:
            raise self._errors.ConnectError(str(error)) from error
        return SocketStream(made, mine, self._errors)
