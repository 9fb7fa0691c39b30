"""The upload route: what it takes, what it refuses, and in which words."""

import re
from collections.abc import Iterator

import httpx
import pytest

from aiml_music.sandbox import RunningSandbox, Settings, running
from aiml_music.sandbox.wav import wav_file
from tests.sandbox.conftest import UPLOAD, dial

VOICE = re.compile(r"vocal-\d{16}-[A-Za-z0-9]{8}")
INSTRUMENTAL = re.compile(r"instrumental-\d{16}-[A-Za-z0-9]{8}")


def wav(seconds: float, rate: int = 8000) -> bytes:
    return wav_file(bytes(2 * round(seconds * rate)), sample_rate_hz=rate, title="t", comment="odd")


def part(name: str, content: bytes, *, filename: str = "") -> bytes:
    file = f'; filename="{filename}"' if filename else ""
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def post(client: httpx.Client, *parts: bytes, end: bytes = b"--edge--\r\n") -> httpx.Response:
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    return client.post(UPLOAD, content=b"".join(parts) + end, headers=headers)


@pytest.mark.parametrize(
    ("purpose", "ids"),
    [
        ("song", {"voice_id": VOICE, "instrumental_id": INSTRUMENTAL}),
        ("voice", {"voice_id": VOICE}),
        ("instrumental", {"instrumental_id": INSTRUMENTAL}),
    ],
)
def test_purpose_decides_which_ids_come_back(
    client: httpx.Client, reference: bytes, purpose: str, ids: dict[str, re.Pattern[str]]
) -> None:
    """A song gets both ids, a voice or an instrumental its own."""
    response = client.post(UPLOAD, data={"purpose": purpose}, files={"file": ("a.mp3", reference, "audio/mpeg")})
    answer = response.json()
    assert response.status_code == 200
    assert answer.pop("base_resp") == {"status_code": 0, "status_msg": "success"}
    assert re.fullmatch(r"[0-9a-f]{32}", answer.pop("trace_id"))
    assert answer.keys() == ids.keys()
    assert all(shape.fullmatch(answer[name]) for name, shape in ids.items())
    assert response.headers["x-aimlapi-credits-used"] == "0"


def test_every_upload_gets_new_ids(client: httpx.Client) -> None:
    """Two uploads of one file share no id."""
    answers = [post(client, part("purpose", b"voice"), part("file", wav(11))).json() for _ in range(2)]
    assert answers[0]["voice_id"] != answers[1]["voice_id"]


def test_order_and_unknown_parts_do_not_matter(client: httpx.Client) -> None:
    """The file may come first, and a part that nobody knows is ignored."""
    response = post(client, part("file", wav(11), filename="x.wav"), part("mood", b"blue"), part("purpose", b"voice"))
    assert VOICE.fullmatch(response.json()["voice_id"])


@pytest.mark.parametrize(
    ("parts", "path", "code"),
    [
        ([part("purpose", b"voice")], "file", "invalid_type"),
        ([part("file", b"x")], "purpose", "invalid_type"),
        ([part("purpose", b"dance"), part("file", b"x")], "purpose", "invalid_enum_value"),
    ],
)
def test_missing_or_wrong_parts_are_named(client: httpx.Client, parts: list[bytes], path: str, code: str) -> None:
    """The answer lists the part that is missing or wrong."""
    response = post(client, *parts)
    (issue,) = response.json()["error"]["data"]
    assert (response.status_code, issue["path"], issue["code"]) == (400, [path], code)


@pytest.mark.parametrize("name", ["", "file.mp3"])
def test_an_empty_file_is_not_audio(client: httpx.Client, name: str) -> None:
    """No bytes are refused like any other bytes that are no audio."""
    answer = post(client, part("purpose", b"voice"), part("file", b"", filename=name)).json()
    assert answer["base_resp"]["status_code"] == 2013


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"ID3 is only a word here" * 1000, 2013),
        (wav(10), 2037),
        (wav(10.1), 0),
        (wav(600, rate=1000), 0),
        (wav(600.1, rate=1000), 2037),
    ],
    ids=["no audio", "10 s", "10.1 s", "600 s", "600.1 s"],
)
def test_duration_bounds(client: httpx.Client, content: bytes, code: int) -> None:
    """A reference is longer than 10 s and at most 600 s; a refusal hides in HTTP 200 and gives no id."""
    response = post(client, part("purpose", b"voice"), part("file", content))
    assert response.status_code == 200
    assert response.json()["base_resp"]["status_code"] == code
    assert ("voice_id" in response.json()) == (code == 0)


def test_body_without_its_closing_boundary_is_refused(client: httpx.Client) -> None:
    """A form that was cut off is not taken for a whole one."""
    response = post(client, part("purpose", b"voice"), part("file", wav(11)), end=b"")
    assert (response.status_code, response.json()["statusCode"]) == (400, "400")
    assert "closing boundary" in response.json()["message"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "audio/mpeg", f"multipart/form-data; boundary={'x' * 300}"],
)
def test_other_content_types_are_refused(client: httpx.Client, content_type: str) -> None:
    """An upload is multipart with a boundary of sane length, or it is refused."""
    response = client.post(UPLOAD, content=b"{}", headers={"content-type": content_type})
    assert (response.status_code, response.json()["path"]) == (400, UPLOAD)


@pytest.mark.parametrize(
    "content",
    [
        b"no boundary at all",
        part("purpose", b"voice") * 2 + b"--edge--",
        part("purpose", b"v" * 2000) + b"--edge--",
        part("mood", b"blue") * 30 + b"--edge--",
    ],
    ids=["not multipart", "twice", "too long", "too many"],
)
def test_malformed_forms_are_refused(client: httpx.Client, content: bytes) -> None:
    """What no honest client sends is refused with a reason."""
    response = post(client, content, end=b"")
    assert response.status_code == 400
    assert response.json()["message"]


def test_other_headers_of_a_part_are_skipped(client: httpx.Client) -> None:
    """A part may say more about itself than its name."""
    purpose = b'--edge\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nvoice\r\n'
    assert "voice_id" in post(client, purpose, part("file", wav(11))).json()


@pytest.fixture
def small() -> Iterator[RunningSandbox]:
    with running(Settings(max_upload_bytes=100_000)) as server:
        yield server


@pytest.mark.parametrize("announced", [True, False])
def test_large_uploads_are_refused(small: RunningSandbox, *, announced: bool) -> None:
    """More bytes than allowed are refused, whether their number is announced or only counted."""
    whole = part("purpose", b"voice") + part("file", wav(11)) + b"--edge--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    with dial(small) as client:
        response = client.post(UPLOAD, content=whole if announced else iter([whole]), headers=headers)
    assert (response.status_code, response.json()["statusCode"]) == (413, "413")


def test_refusal_arrives_though_the_body_is_large(client: httpx.Client) -> None:
    """A wrong key is refused readably even when megabytes are still on their way."""
    response = client.post(UPLOAD, content=bytes(8 << 20), headers={"authorization": "Bearer sk-1"})
    assert response.status_code == 401


def test_upload_can_be_refused_by_a_scenario(client: httpx.Client) -> None:
    """A scenario that refuses works on uploads too; one about audio leaves them alone."""
    parts = [part("purpose", b"voice"), part("file", wav(11)), b"--edge--"]
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    answers = [
        client.post(UPLOAD, content=b"".join(parts), headers={**headers, "x-sandbox-scenario": name}).status_code
        for name in ("throttled", "odd_hex")
    ]
    assert answers == [429, 200]
