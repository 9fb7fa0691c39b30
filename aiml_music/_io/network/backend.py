"""Where the HTTP library gets its connections from."""

from collections.abc import Iterable
from types import ModuleType

from aiml_music._io.network.connecting import SocketOption, connected
from aiml_music._io.network.streams import SocketStream
from aiml_music._io.pacer import pacer


class Backend:
    """What makes connections for the HTTP library, in place of its own.

    Args:
        errors: the library, which wants its own exceptions.
    """

    def __init__(self, errors: ModuleType) -> None:
        self._errors = errors

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
            made = await connected(host, port, socket_options or ())
        except OSError as error:
            raise self._errors.ConnectError(str(error)) from error
        return SocketStream(made, mine, self._errors)
