"""The fixtures, as a user turns them on: in a project of its own, with the plugin of anyio or of asyncio."""

import pytest

pytest_plugins = "pytester"

# Without what the inner tests do not need; hypothesis alone would take a second of every run.
QUIETLY = ("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:respx")

TURNED_ON = """
pytest_plugins = ["aiml_music.testing.fixtures"]
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose tests may use the fixtures, and whose warnings are errors."""
    pytester.makeconftest(TURNED_ON)
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    return pytester


def run(project: pytest.Pytester, source: str, **outcomes: int) -> pytest.RunResult:
    """Run a file of tests, and make sure that they end as foreseen."""
    project.makepyfile(source)
    result = project.runpytest_inprocess(*QUIETLY)
    result.assert_outcomes(**outcomes)
    return result


def test_a_blocking_client_of_a_sandbox(project: pytest.Pytester) -> None:
    """Each test has a sandbox of its own, which counts its charges."""
    run(
        project,
        """
        import pytest
        from aiml_music.testing import silent_mp3

        @pytest.mark.parametrize("tracks", [1, 2])
        def test_songs(music_client, music_sandbox, tracks):
            reference = music_client.upload(silent_mp3(12), purpose="song")
            for _ in range(tracks):
                track = music_client.generate(lyrics="Side by side", reference=reference)
                assert track.duration < 1.2
            assert music_sandbox.sandbox.charges == tracks
        """,
        passed=2,
    )


def test_an_asynchronous_client_with_anyio(project: pytest.Pytester) -> None:
    """It works on asyncio and on trio, whichever the plugin of anyio runs the test on."""
    run(
        project,
        """
        import pytest
        from aiml_music.testing import silent_mp3

        @pytest.mark.anyio
        async def test_a_song(async_music_client, music_sandbox):
            reference = await async_music_client.upload(silent_mp3(12), purpose="song")
            await async_music_client.generate(lyrics="Side by side", reference=reference)
            assert music_sandbox.sandbox.charges == 1
        """,
        passed=2,
    )


def test_an_asynchronous_client_with_asyncio(project: pytest.Pytester) -> None:
    """It works with pytest-asyncio in its strict mode."""
    run(
        project,
        """
        import pytest
        from aiml_music.testing import silent_mp3

        @pytest.mark.asyncio
        async def test_a_song(async_music_client, music_sandbox):
            reference = await async_music_client.upload(silent_mp3(12), purpose="song")
            await async_music_client.generate(lyrics="Side by side", reference=reference)
            assert music_sandbox.sandbox.charges == 1
        """,
        passed=1,
    )


def test_clients_are_closed_behind_a_test(project: pytest.Pytester) -> None:
    """What a test keeps of a client takes no more calls, used or not."""
    run(
        project,
        """
        import pytest

        KEPT = []

        def test_one(async_music_client, music_client):
            KEPT.extend([async_music_client, music_client])
            assert not any(client.is_closed() for client in KEPT)

        def test_two():
            assert len(KEPT) == 2
            assert all(client.is_closed() for client in KEPT)
        """,
        passed=2,
    )


SUBMITTING = """
import pytest
from aiml_music.testing import silent_mp3

async def submit(client):
    reference = await client.upload(silent_mp3(12), purpose="song")
    return await client.submit(lyrics="Side by side", reference=reference)
"""


@pytest.mark.parametrize("plugin", ["anyio", "asyncio"])
def test_what_was_submitted_is_collected(project: pytest.Pytester, plugin: str) -> None:
    """A test awaits what it submitted, or closes the client itself."""
    run(
        project,
        SUBMITTING
        + f"""
@pytest.mark.{plugin}
async def test_collected(async_music_client, music_sandbox):
    await (await submit(async_music_client))
    assert music_sandbox.sandbox.charges == 1

@pytest.mark.{plugin}
async def test_closed(async_music_client, music_sandbox):
    await submit(async_music_client)
    assert await async_music_client.close() == ()
    assert music_sandbox.sandbox.charges == 1
""",
        passed={"anyio": 4, "asyncio": 2}[plugin],
    )


@pytest.mark.parametrize("plugin", ["anyio", "asyncio"])
def test_what_was_forgotten_fails(project: pytest.Pytester, plugin: str) -> None:
    """A generation that nobody waited for is an error at the end of its test."""
    result = run(
        project,
        SUBMITTING
        + f"""
@pytest.mark.{plugin}
async def test_forgotten(async_music_client):
    await submit(async_music_client)
""",
        passed={"anyio": 2, "asyncio": 1}[plugin],
        errors={"anyio": 2, "asyncio": 1}[plugin],
    )
    result.stdout.fnmatch_lines(["*collect what was submitted, or close the client in the test: (<Generation *"])


def test_the_sandbox_and_the_clients_have_settings(project: pytest.Pytester) -> None:
    """A test overrides how the sandbox behaves, and what the clients are made with."""
    run(
        project,
        """
        import pytest
        from aiml_music import InDoubtError, RateLimitError
        from aiml_music.sandbox import Settings
        from aiml_music.testing import silent_mp3

        @pytest.fixture
        def music_sandbox_settings():
            return Settings(latency=0, longest_track=1, scenario="throttled")

        @pytest.fixture
        def music_client_options(fake_clock):
            return {"clock": fake_clock, "max_retries": 3}

        def test_blocking(music_client, fake_clock):
            reference = music_client.upload(silent_mp3(12), purpose="song")
            with pytest.raises(RateLimitError):
                music_client.generate(lyrics="Side by side", reference=reference)
            assert len(fake_clock.slept) == 3

        @pytest.mark.anyio
        async def test_asynchronous(async_music_client, fake_clock):
            reference = await async_music_client.upload(silent_mp3(12), purpose="song")
            with pytest.raises(RateLimitError):
                await async_music_client.generate(lyrics="Side by side", reference=reference)
            assert len(fake_clock.slept) == 3
        """,
        passed=3,
    )


SCRIPT = """
from aiml_music import MusicClient
from aiml_music.testing import finished_track, on_generate

def sing(transport):
    with MusicClient(api_key="any", transport=transport) as client:
        client.generate(lyrics="Side by side", refer_voice="vocal-2026010112000000-abcdEFGH")
"""


def test_a_script_that_is_played_passes(project: pytest.Pytester) -> None:
    """The factory makes as many transports as a test wants."""
    run(
        project,
        SCRIPT
        + """
def test_two_scripts(scripted_transport):
    sing(scripted_transport(on_generate(finished_track())))
    sing(scripted_transport(on_generate(finished_track(), lyrics="Side by side")))
""",
        passed=1,
    )


def test_a_script_that_is_not_played_to_its_end_fails(project: pytest.Pytester) -> None:
    """Nothing has to be asked for: what is left over is an error at the end of the test."""
    result = run(
        project,
        SCRIPT
        + """
def test_left_over(scripted_transport):
    sing(scripted_transport(on_generate(finished_track())))
    scripted_transport(on_generate(finished_track()))
""",
        passed=1,
        errors=1,
    )
    result.stdout.fnmatch_lines(["*generate (HTTP 200) never came; requests so far: none*"])


def test_a_failure_that_a_program_swallows_fails_its_test(project: pytest.Pytester) -> None:
    """A program that catches everything cannot hide a request that was not expected."""
    result = run(
        project,
        SCRIPT
        + """
import contextlib

def test_swallowed(scripted_transport):
    with contextlib.suppress(BaseException):
        sing(scripted_transport(on_generate(finished_track(), lyrics="Other")))
""",
        passed=1,
        errors=1,
    )
    result.stdout.fnmatch_lines(["*lyrics: expected 'Other', came 'Side by side'*"])


def test_a_clock_is_new_for_every_test(project: pytest.Pytester) -> None:
    """What one test slept is not in the next one's clock."""
    run(
        project,
        """
        import pytest

        @pytest.mark.anyio
        @pytest.mark.parametrize("seconds", [1, 2])
        async def test_sleep(fake_clock, seconds):
            await fake_clock.sleep(seconds)
            assert fake_clock.slept == [seconds]
        """,
        passed=4,
    )


WITHOUT_THE_EXTRA = """
import sys

for name in [name for name in sys.modules if name.startswith("aiml_music.sandbox")]:
    del sys.modules[name]
sys.modules["uvicorn"] = None
"""


def test_the_sandbox_is_loaded_only_for_who_asks(project: pytest.Pytester) -> None:
    """Without the extra, scripts and clocks work, and a fixture of the sandbox says what is missing."""
    project.makeconftest(WITHOUT_THE_EXTRA + TURNED_ON)
    result = run(
        project,
        """
        def test_script(scripted_transport, fake_clock):
            scripted_transport()

        def test_sandbox(music_client):
            pass
        """,
        passed=1,
        errors=1,
    )
    result.stdout.fnmatch_lines(["*the sandbox needs the extra 'sandbox' of aiml-music: *"])
