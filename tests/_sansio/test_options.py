"""How a client is set up: the key's source, the address, headers, limits."""

from collections.abc import Mapping

import pytest

from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.options import (
    DEFAULT_BASE_URL,
    Options,
    Timeouts,
    base_url_from_env,
    check_base_url,
    check_headers,
    check_retry,
    check_timeout,
    key_from_env,
    upload_total,
)
from aiml_music._sansio.retry import RetryPolicy
from aiml_music._sansio.secret import Secret
from tests._sansio.crash_reports import told

CANARY = "sk-canary-31415926535"


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"AIML_API_KEY": "sk-1"}, "sk-1"),
        ({"AIMLAPI_API_KEY": "sk-2"}, "sk-2"),
        ({"AIMLAPI_API_KEY": "sk-2", "AIML_API_KEY": "sk-1"}, "sk-1"),
        ({"AIML_API_KEY": "sk-1\r\n"}, "sk-1"),
    ],
    ids=["first", "second", "both", "with a line end"],
)
def test_the_key_comes_from_the_first_variable(environ: Mapping[str, str], key: str) -> None:
    """`AIML_API_KEY` is asked before `AIMLAPI_API_KEY`."""
    assert key_from_env(environ).reveal() == key


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": CANARY}], ids=["empty", "another service's"])
def test_no_key_says_where_one_goes(environ: Mapping[str, str]) -> None:
    """Without a key the error names the variables, and shows nothing of the environment."""
    with pytest.raises(ConfigError, match="No API key") as caught:
        key_from_env(environ)
    assert caught.value.hint == "Set AIML_API_KEY (or AIMLAPI_API_KEY), or pass api_key=."
    assert CANARY not in told(caught.value)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"AIML_API_KEY": "", "AIMLAPI_API_KEY": " "}, "AIML_API_KEY is empty."),
        ({"AIMLAPI_API_KEY": "<YOUR_AIMLAPI_KEY>", "OTHER": CANARY}, "AIMLAPI_API_KEY is a placeholder, not a key."),
        ({"AIML_API_KEY": f"{CANARY}\n{CANARY}"}, "AIML_API_KEY holds a blank (U+000A) at index 21."),
    ],
    ids=["empty", "placeholder", "two lines"],
)
def test_a_bad_variable_is_named_and_not_shown(environ: Mapping[str, str], complaint: str) -> None:
    """The error names the variable that is set wrongly; neither it nor a crash report shows the environment."""
    with pytest.raises(ConfigError) as caught:
        key_from_env(environ)
    assert caught.value.message == complaint
    assert CANARY not in told(caught.value)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, DEFAULT_BASE_URL),
        ({"AIML_API_BASE": "https://a"}, "https://a"),
        ({"AIMLAPI_API_BASE": "https://b"}, "https://b"),
        ({"AIMLAPI_API_BASE": "https://b", "AIML_API_BASE": "https://a"}, "https://a"),
        ({"AIMLAPI_API_BASE": "https://b", "AIML_API_BASE": ""}, "https://b"),
    ],
    ids=["none", "first", "second", "both", "an empty one"],
)
def test_the_address_comes_from_the_first_variable(environ: Mapping[str, str], address: str) -> None:
    """`AIML_API_BASE` is asked before `AIMLAPI_API_BASE`, and an empty one counts as unset."""
    assert base_url_from_env(environ) == address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://api.aimlapi.com", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v1", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v1/", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v2", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v2//", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v3", "https://api.aimlapi.com/v3"),
        ("https://gateway.example/aiml/v2", "https://gateway.example/aiml"),
        ("https://gateway.example/env1", "https://gateway.example/env1"),
        (" https://api.aimlapi.com\n", "https://api.aimlapi.com"),
        ("HTTPS://API.aimlapi.com:8443", "https://API.aimlapi.com:8443"),
        ("https://10.0.0.7", "https://10.0.0.7"),
        ("https://[2001:db8::1]:8443/v1", "https://[2001:db8::1]:8443"),
        ("http://localhost:8088", "http://localhost:8088"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://sandbox.localhost:1", "http://sandbox.localhost:1"),
        ("http://127.0.0.1:8088/v2", "http://127.0.0.1:8088"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8088", "http://[::1]:8088"),
    ],
)
def test_addresses_lose_their_version(value: str, address: str) -> None:
    """The routes carry their own version, so an address with one means the same as without."""
    assert check_base_url(value) == address


@pytest.mark.parametrize(
    "value",
    ["http://api.aimlapi.com", "http://10.0.0.7", "http://[2001:db8::1]", "http://localhost.example", "http://0"],
)
def test_plain_http_stays_on_this_machine(value: str) -> None:
    """`http` to another machine would show the key to the network, and is refused unless it is asked for by name."""
    with pytest.raises(ConfigError, match="the key would travel in the clear") as caught:
        check_base_url(value)
    assert "allow_insecure_http" in str(caught.value.hint)
    assert check_base_url(value, allow_insecure_http=True) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "api.aimlapi.com",
        "//api.aimlapi.com",
        "https:",
        "https://",
        "https:///v2",
        "https://:443",
        "ftp://api.aimlapi.com",
        "file:///etc/passwd",
        "https://api aimlapi.com",
        "https://api.aimlapi.com/v2 #x",
        "https://api.aimlapi.com\n.evil.example",
        "https://api\x00.com",
        "https://\u0430pi.aimlapi.com",
        "https://api<.com",
        "https://api.com\\evil",
        "https://[::1",
        "https://[nonsense]",
        "https://api.com:port",
        "https://api.com:65536",
        "https://api.com:-1",
        "https://user@api.com",
        "https://user:word@api.com",
        "https://@api.com",
        "https://api.com?key=1",
        "https://api.com/#part",
    ],
)
def test_what_is_no_plain_address_is_refused(value: str) -> None:
    """Junk, other schemes, users, passwords, queries and fragments are no base address."""
    with pytest.raises(ConfigError, match=r"^base_url "):
        check_base_url(value)


@pytest.mark.parametrize("value", [None, 7, b"https://api.aimlapi.com"], ids=repr)
def test_an_address_is_text(value: object) -> None:
    """Anything but text is refused."""
    with pytest.raises(ConfigError, match="base_url must be a str"):
        check_base_url(value)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    "value",
    [
        f"https://me:{CANARY}@api.com",
        f"https://me:{CANARY}",
        f"https://api.com?key={CANARY}",
        f"https://api.com/#{CANARY}",
        f"https://[{CANARY}",
        f"{CANARY}",
        f"https://{CANARY} x",
    ],
    ids=["password", "password for port", "query", "fragment", "brackets", "alone", "blank"],
)
def test_a_refused_address_is_not_repeated(value: str) -> None:
    """What may hold a password does not get into the message, nor into the error beneath."""
    with pytest.raises(ConfigError) as caught:
        check_base_url(value)
    assert CANARY not in f"{caught.value}{caught.value.__context__!r}{caught.value.__cause__!r}"


def test_headers_are_sent_in_lower_case() -> None:
    """Any further header may be sent, its name in the one form used inside."""
    given = {"X-Team": "choir", "user-agent": "mine/1", "X-Empty": ""}
    assert check_headers(given) == (("x-team", "choir"), ("user-agent", "mine/1"), ("x-empty", ""))


@pytest.mark.parametrize("name", ["", "two words", "colon:", "line\nend", "na\u00efve", "a\x00b", 7], ids=repr)
def test_malformed_header_names_are_refused(name: str) -> None:
    """A header's name is a token."""
    with pytest.raises(ConfigError, match="is no header name"):
        check_headers({name: "x"})


@pytest.mark.parametrize("value", ["two\r\nlines", "tab\tbed", "a\x00b", "na\u00efve", "\x7f", 7], ids=repr)
def test_malformed_header_values_are_refused(value: str) -> None:
    """A header's value cannot hold another header, and is not repeated, as it may be a secret."""
    with pytest.raises(ConfigError, match="the value of X-Team holds a character no header may have") as caught:
        check_headers({"X-Team": value})
    assert repr(value) not in caught.value.message


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "HOST",
        "content-length",
        "Content-Type",
        "transfer-encoding",
        "Connection",
        "Accept-Encoding",
        "X-Client-Request-Id",
    ],
)
def test_the_clients_own_headers_are_refused(name: str) -> None:
    """A header the client must write itself is refused, not silently left out."""
    with pytest.raises(ConfigError, match=f"default_headers: {name} is written by the client itself"):
        check_headers({name: "x"})


@pytest.mark.parametrize(
    ("value", "timeouts"),
    [
        (30, Timeouts(total=30)),
        (0.5, Timeouts(total=0.5)),
        (None, Timeouts(total=None)),
        (Timeouts(idle=5), Timeouts(idle=5)),
    ],
    ids=["whole", "fraction", "no limit", "Timeouts"],
)
def test_a_number_is_the_total(value: float | Timeouts | None, timeouts: Timeouts) -> None:
    """`timeout=` is the wall clock of the whole call."""
    assert check_timeout(value) == timeouts


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "30", (1, 2)], ids=repr)
def test_a_timeout_is_a_number_of_seconds(value: object) -> None:
    """Zero, infinity and tuples of another library are no limits of time."""
    with pytest.raises(ConfigError, match="total must be a number of seconds above 0"):
        check_timeout(value)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("name", ["total", "connect", "idle", "queue"])
def test_every_limit_is_checked(name: str) -> None:
    """Each limit is a finite number of seconds above zero, or None."""
    assert getattr(Timeouts(**{name: None}), name) is None
    with pytest.raises(ConfigError, match=f"{name} must be a number of seconds above 0"):
        Timeouts(**{name: 0})


def test_uploads_may_take_longer_the_larger_they_are() -> None:
    """Two minutes, and one more second for every 100 kB."""
    assert upload_total(0) == 120
    assert upload_total(106_000_000) == 1180


def test_each_operation_has_limits_of_its_own() -> None:
    """Without limits given, a generation may take ten minutes, and an upload as long as its size needs."""
    options = Options(api_key=Secret(CANARY))
    assert options.timeouts_for_generate() == Timeouts(total=600)
    assert options.timeouts_for_upload(5_000_000) == Timeouts(total=170)


def test_given_limits_hold_for_everything() -> None:
    """Limits the user gave are used as they are."""
    limits = Timeouts(total=7)
    options = Options(api_key=Secret(CANARY), timeouts=limits)
    assert options.timeouts_for_generate() is limits
    assert options.timeouts_for_upload(10**9) is limits


@pytest.mark.parametrize(
    ("max_retries", "attempts"), [(None, 3), (0, 1), (2, 3), (99, 100)], ids=["default", "none", "two", "most"]
)
def test_retries_come_after_the_first_attempt(max_retries: int | None, attempts: int) -> None:
    """`max_retries=` counts what follows the first attempt."""
    assert check_retry(max_retries, None) == RetryPolicy(attempts=attempts)


def test_a_policy_is_used_as_it_is() -> None:
    """`retry=` gives the whole policy."""
    policy = RetryPolicy(attempts=7)
    assert check_retry(None, policy) is policy


@pytest.mark.parametrize("max_retries", [-1, 100, 10**6, 1.0, True, "2"], ids=repr)
def test_the_number_of_retries_is_checked(max_retries: object) -> None:
    """A number of retries is whole, not negative, and not beyond reason."""
    with pytest.raises(ConfigError, match="max_retries must be a whole number from 0 to 99"):
        check_retry(max_retries, None)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("retry", [0, 3, False, "no"], ids=repr)
def test_a_policy_is_no_number(retry: object) -> None:
    """A number given as `retry=` is refused at once, not taken for the default or found out in mid-call."""
    with pytest.raises(ConfigError, match=f"retry must be a RetryPolicy, not {type(retry).__name__}"):
        check_retry(None, retry)  # type: ignore[arg-type]  # that is the point


def test_retries_are_given_once() -> None:
    """A number and a policy at once contradict each other."""
    with pytest.raises(ConfigError, match="not both"):
        check_retry(2, RetryPolicy())


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "20"], ids=repr)
def test_concurrency_is_checked(value: object) -> None:
    """At least one call may be under way."""
    with pytest.raises(ConfigError, match="max_concurrency must be a whole number above 0"):
        Options(api_key=Secret(CANARY), max_concurrency=value)  # type: ignore[arg-type]  # that is the point


def test_options_show_no_secrets() -> None:
    """Neither the key nor a header's value appears when options are printed."""
    options = Options(api_key=Secret(CANARY), default_headers=(("x-token", CANARY),), max_concurrency=1)
    assert CANARY not in repr(options)


def test_a_blank_variable_gives_way_to_the_next_one() -> None:
    """A variable that was cleared by setting it to nothing does not stand before one that holds a key."""
    assert key_from_env({"AIML_API_KEY": "", "AIMLAPI_API_KEY": CANARY}).reveal() == CANARY
