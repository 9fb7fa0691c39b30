"""A reference that goes into the request of a generation: opened and looked at first, let go of at the end."""

import base64
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from aiml_music import AsyncMusicClient, InputError, UnknownModelWarning
from aiml_music._calls.attempt import Plan
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._sansio.options import UNSET
from tests._sansio.audio_files import cbr
from tests.calls import MADE, client_of, failure
from tests.loopback import loopback

pytestmark = pytest.mark.anyio

# A frame of MPEG-1 Layer III at 44.1 kHz lasts 1152 samples.
SHORT, SONG = cbr(int(5 * 44_100 / 1152)), cbr(int(7 * 44_100 / 1152))
COVER = "minimax/music-cover"
FIELDS: Any = {"prompt": "a slow waltz of it"}


async def planned(client: AsyncMusicClient, source: Any) -> Plan:
    """Return the plan of a cover."""
    asked = checked_order(None, None, None, None, COVER, None, "warn", None, source, FIELDS)
    return await generate_plan(client._options, asked, UNSET, "mine")


async def sent(plan: Plan) -> bytes:
    return b"".join([piece async for piece in plan.body.chunks()])


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data[:1000]
    yield data[1000:]


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "str": str,
    "bytes": lambda path: path.read_bytes(),
    "name and bytes": lambda path: ("x.mp3", path.read_bytes()),
    "file object": lambda path: io.BytesIO(path.read_bytes()),
    "iterator": lambda path: pieces(path.read_bytes()),
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_whatever_an_upload_takes_can_be_sent_along(tmp_path: Path, kind: str) -> None:
    """The request is of a known length, can be sent twice, and what it is read from is let go of at the end."""
    path = tmp_path / "song.mp3"
    path.write_bytes(SONG)
    source = SOURCES[kind](path)
    async with AsyncMusicClient(api_key="key") as client:
        plan = await planned(client, source)
        body = await sent(plan)
        assert len(body) == plan.body.length
        encoded = base64.b64encode(SONG).decode()
        assert json.loads(body) == {"model": COVER, **FIELDS, "reference_audio_url": encoded}
        assert await sent(plan) == body
        plan.end()
    if isinstance(source, io.BytesIO):
        assert (source.tell(), source.closed) == (0, False)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (SHORT, "The reference lasts 5.0 s; the service takes at least 6 s and at most 360 s."),
        (b"%PDF-1.7", "The reference is neither WAV nor MP3"),
        (b"", "The reference has no bytes to send."),
        ("no such file.mp3", "'no such file.mp3' cannot be read"),
        (7, "A reference cannot be a int."),
    ],
)
async def test_what_the_model_would_not_take_is_not_sent(source: Any, complaint: str) -> None:
    """It is looked at before anything connects, and nothing stays open."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            error = await failure(client, lyrics=None, refer_voice=None, model=COVER, reference_audio=source, **FIELDS)
    assert isinstance(error, InputError)
    assert error.message.startswith(complaint)
    assert server.connections == 0


async def test_a_file_may_have_fifty_megabytes(tmp_path: Path) -> None:
    """What is larger is not even read."""
    path = tmp_path / "song.mp3"
    with path.open("wb") as file:
        file.truncate(50_000_001)
    async with AsyncMusicClient(api_key="key") as client:
        with pytest.raises(InputError, match=r"song\.mp3' has more than 50,000,000 bytes\."):
            await planned(client, path)


async def test_a_call_lets_go_of_it_when_it_has_ended(tmp_path: Path) -> None:
    """Also of a file that was read to its end."""
    path = tmp_path / "song.mp3"
    path.write_bytes(SONG)
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            plan = await planned(client, path)
            async with client._session.call(plan) as call:
                await call.open()
                while await call.read():
                    """Read on."""
            with pytest.raises(InputError, match="closed already"):
                await sent(plan)
    assert server.requests[0].json()["reference_audio_url"] == base64.b64encode(SONG).decode()
    assert server.requests[0].headers["content-length"] == str(plan.body.length)


async def test_a_call_that_is_not_made_lets_go_of_it(tmp_path: Path) -> None:
    """As when the client was closed while the file was being looked at."""
    path = tmp_path / "song.mp3"
    path.write_bytes(SONG)
    client = AsyncMusicClient(api_key="key")
    plan = await planned(client, path)
    await client.close()
    with pytest.raises(RuntimeError, match="closed"), plan.handed_on():
        client._session.call(plan)
    with pytest.raises(InputError, match="closed already"):
        await sent(plan)


async def test_a_model_nobody_knows_is_warned_of() -> None:
    """Once for each call, at the line that made it."""
    with pytest.warns(UnknownModelWarning, match="somebody/sings is no model this library knows") as caught:
        asked = checked_order("la", None, None, None, "somebody/sings", None, "warn", None)
    assert [warning.filename for warning in caught] != [__file__]
    assert json.loads(asked.payload) == {"model": "somebody/sings", "lyrics": "la"}
