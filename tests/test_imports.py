"""What is loaded, and when: little by an import, all that a call needs before it, and nothing on its event loop."""

import ast
import os
import ssl
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import trustme

import aiml_music
from tests.answers import answer, envelope, generated, uploaded
from tests.calls import REFERENCE, TRACK
from tests.loopback import loopback

# What is slow to load, and what belongs to commands and sandbox.
WAITING = {
    *("asyncio", "concurrent", "cyclopts", "email", "h11", "hashlib", "http", "httpcore", "httpx", "lameenc", "rich"),
    *("secrets", "starlette", "trio", "urllib.request", "uvicorn"),
}
OF_THE_BLOCKING_CLIENT = {"BlockingAudioStream", "BlockingGeneration", "BlockingWarning", "MusicClient"}
OF_BATCHES = {"Batch", "BatchReport", "BlockingBatch", "Job", "JobOutcome", "JobRecord", "JobSettlement", "JobState"}

# What it prints is read: what was loaded on the loop's thread since the client was made, and what on any thread while
# a track came in.
FIRST_CALLS = """
import importlib, os, sys, threading
from aiml_music import AsyncMusicClient, EventKind, RateLimitError

home, answered, late = threading.get_ident(), [], []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if answered or threading.get_ident() == home:
            late.append(name)

def on_event(event):
    answered[:] = [event] if event.kind is EventKind.ANSWERED else []

async def main():
    async with AsyncMusicClient(api_key="k" * 32, base_url=os.environ["URL"], on_event=on_event) as client:
        sys.meta_path.insert(0, Watch())
        reference = await client.upload("reference.mp3", purpose="voice")
        await client.generate(lyrics="##Side by side##", reference=reference, to="song.mp3")
        await (await client.submit(lyrics="##Side by side##", reference=reference))
        try:
            await client.with_options(max_retries=0).generate(lyrics="##Side by side##", reference=reference)
        except RateLimitError as error:
            assert error.retry_after
    print(*late)

importlib.import_module(sys.argv[1]).run(*([main] if sys.argv[1] == "trio" else [main()]))
"""


def loaded_by(statement: str, *, after: str = "pass") -> set[str]:
    """Return the modules that a statement loads in a fresh Python, after another statement."""
    code = f"{after}; import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(ran.stdout.split())


def for_type_checkers() -> dict[str, str]:
    """Return where the package tells type checkers its public names are."""
    tree = ast.parse(Path(aiml_music.__file__).read_bytes())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_an_import_alone_loads_next_to_nothing() -> None:
    """`import aiml_music` loads two small files of its own, what imports modules, and nothing else."""
    loaded = {name for name in loaded_by("import aiml_music") if not name.startswith("importlib")}
    assert loaded <= {"aiml_music", "aiml_music._version", "warnings"}


def test_a_client_is_imported_without_what_is_slow() -> None:
    """HTTP library, event loops, mail, commands and sandbox wait until they are used."""
    loaded = loaded_by("from aiml_music import AsyncMusicClient")
    assert "aiml_music.client" in loaded
    assert loaded & WAITING == set()


def test_an_error_is_imported_without_the_client() -> None:
    """Whoever only catches errors loads values alone."""
    loaded = {name for name in loaded_by("from aiml_music import MusicError") if name.startswith("aiml_music.")}
    assert "aiml_music._sansio.errors" in loaded
    assert all(name.startswith(("aiml_music._sansio", "aiml_music._version")) for name in loaded)


def test_with_the_client_every_other_name_is_there() -> None:
    """Nothing is read from the disk for a name that an `except` asks for while a track is paid."""
    names = sorted(set(aiml_music.__all__) - OF_THE_BLOCKING_CLIENT - OF_BATCHES)
    with_the_names = loaded_by(f"from aiml_music import AsyncMusicClient, {', '.join(names)}")
    assert with_the_names == loaded_by("from aiml_music import AsyncMusicClient")


def test_type_checkers_see_what_is_there() -> None:
    """Each public name is for type checkers the same thing as for the program."""
    told = for_type_checkers()
    assert {*told, "__version__"} == set(aiml_music.__all__)
    for name, home in told.items():
        assert getattr(aiml_music, name) is getattr(import_module(home), name)


def test_names_that_are_not_loaded_yet_are_shown() -> None:
    """Completion and `import *` know every public name before it was asked for."""
    code = "import aiml_music; print(*dir(aiml_music)); from aiml_music import *; print(MusicClient.__name__)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    shown, client = ran.stdout.splitlines()
    assert set(aiml_music.__all__) <= set(shown.split())
    assert set(aiml_music.__all__) <= set(dir(aiml_music))
    assert client == "MusicClient"


def test_a_name_that_is_none_is_refused() -> None:
    """A misspelt name fails as in every module."""
    with pytest.raises(AttributeError, match="module 'aiml_music' has no attribute 'MusikClient'"):
        aiml_music.MusikClient  # type: ignore[attr-defined]  # noqa: B018 - as it is misspelt


@pytest.mark.parametrize(
    ("library", "run"), [("asyncio", "asyncio.run(client.close())"), ("trio", "trio.run(client.close)")]
)
def test_a_client_made_before_its_loop_is_ready_for_it(library: str, run: str) -> None:
    """A client that a module makes when it is imported has then loaded what its event loop needs."""
    made = f"import {library}, aiml_music; client = aiml_music.AsyncMusicClient(api_key={'k' * 32!r})"
    assert loaded_by(run, after=made) == set()


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_first_call_loads_nothing_on_its_loop(library: str, tmp_path: Path) -> None:
    """A fresh process loads in threads, so that others have their turn; and nothing at all while a track comes in."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(secure)
    (tmp_path / "reference.mp3").write_bytes(REFERENCE)
    made = [answer(generated(TRACK))]
    later = [("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT")]
    throttled = [answer(envelope(429, "slow down"), status="429 Too Many Requests", headers=later)]
    with loopback([answer(uploaded(instrumental_id=""))], made, made, throttled, secure=secure) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        env = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "authority.pem"), "URL": url}
        command = [sys.executable, "-c", FIRST_CALLS, library]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60, check=False)
    assert (ran.stdout.split(), ran.stderr) == ([], "")
    assert (tmp_path / "song.mp3").read_bytes() == TRACK
    assert len(server.requests) == 4
