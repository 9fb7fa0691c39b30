"""An HTTP proxy, as a process of its own: `python -m tests.forward_proxy PORT`.

It tunnels what is asked for by CONNECT and forwards the rest, all of it to one port of this machine, whatever host is
named; it prints its own port, and then each request line. It ends when its standard input does.
"""

import asyncio
import sys
from contextlib import suppress
from urllib.parse import urlsplit


async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy bytes until there are none."""
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


class Proxy:
    """The proxy of one service."""

    def __init__(self, service: int) -> None:
        self._service = service

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.split(b" ")
        print(line.decode("ascii"), flush=True)  # noqa: T201 - for the test
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._service)
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            ours.write(b" ".join((method, urlsplit(target).path, version)) + b"\r\n" + rest)
        await asyncio.gather(pass_on(reader, ours), pass_on(theirs, writer))


async def main(service: int) -> None:
    """Serve until nobody wants it any more."""
    server = await asyncio.start_server(Proxy(service).serve, "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - for the test
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
