"""How a client is set up: key, address, limits of time, and where they come from."""

import ipaddress
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen

from aiml_music._sansio.durations import check_seconds_or_none
from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.retry import MAX_ATTEMPTS, RetryPolicy
from aiml_music._sansio.secret import KEY_HINT, KEY_VARIABLES, KeySource, Secret, check_key

DEFAULT_BASE_URL = "https://api.aimlapi.com"
BASE_URL_VARIABLES = ("AIML_API_BASE", "AIMLAPI_API_BASE")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")
_ADDRESS = re.compile(r"[!-~]*")
_HOST = re.compile(r"[0-9A-Za-z_.:%-]+")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "x-client-request-id",
    }
)


def key_from_env(environ: Mapping[str, str]) -> Secret:
    """Return the key of the first variable of `KEY_VARIABLES` that holds something.

    Raises:
        ConfigError: none does, or it is no key.
    """
    found = [(name, Secret(environ[name])) for name in KEY_VARIABLES if name in environ]
    # As in `check_key`: what raises from here on must not hold the key among its locals.
    del environ
    if not found:
        raise ConfigError("No API key.", hint=KEY_HINT)
    name, unchecked = next((pair for pair in found if pair[1].reveal().strip()), found[0])
    return check_key(unchecked.reveal(), origin=name)


def base_url_from_env(environ: Mapping[str, str]) -> str:
    """Return the address of the first variable of `BASE_URL_VARIABLES` that is set, else the service's own."""
    return next((environ[name] for name in BASE_URL_VARIABLES if environ.get(name)), DEFAULT_BASE_URL)


def check_base_url(value: str, *, allow_insecure_http: bool = False) -> str:
    """Return the address without a trailing slash or version: the routes carry their own.

    Args:
        value: `https://host`, with an optional port and path; `http` only for this machine.
        allow_insecure_http: accept `http` for other machines; the key then travels in the clear.

    Raises:
        ConfigError: it is no such address.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value.strip()):
        raise ConfigError("base_url must be a str of plain characters, without blanks.")
    # Nothing of the value is repeated where it may hold a password.
    parts = _split(value.strip())
    if parts is None:
        raise ConfigError("base_url is no address: its host or its port cannot be read.")
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        raise ConfigError("base_url must begin with https:// and name a host.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError("base_url must not hold a user, a password, a query or a fragment.")
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(host):
        raise ConfigError(
            f"base_url is http for {host}: the key would travel in the clear.",
            hint="Use https, or pass allow_insecure_http=True for a network you trust.",
        )
    path = re.sub(r"/v[12]$", "", parts.path.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}{path}"


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _port = parts.port
    except ValueError:
        return None
    return parts


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return headers that can be sent beside our own.

    Raises:
        ConfigError: a name or value is malformed, or a name is one the client itself writes.
    """
    checked = []
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigError(f"default_headers: {name!r} is no header name.")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"default_headers: the value of {name} holds a character no header may have.")
        if name.lower() in _OWN_HEADERS:
            raise ConfigError(f"default_headers: {name} is written by the client itself.")
        checked.append((name.lower(), value))
    return tuple(checked)


class Unset(Enum):
    """Stands for an argument that was not given, where None has a meaning of its own."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


GENERATE_TOTAL = 600.0


@frozen(kw_only=True)
class Timeouts:
    """How long a call may take, in seconds; None is no limit.

    Args:
        total: the whole call by the wall clock, attempts and pauses included, time in our own queue excluded.
            The default is 600 for a generation; for an upload 120 and one more for every 100 kB.
        connect: name, TCP and TLS together.
        idle: silence while a body is coming, or less than 1 KiB/s of it over so long a wait; and how long the other
            side may take over a piece of the request, 20 s at most.
        queue: waiting for a free place among the client's own calls.
    """

    total: float | None = field(default=GENERATE_TOTAL, validator=check_seconds_or_none)
    connect: float | None = field(default=10.0, validator=check_seconds_or_none)
    idle: float | None = field(default=30.0, validator=check_seconds_or_none)
    queue: float | None = field(default=None, validator=check_seconds_or_none)


UPLOAD_TOTAL = 120.0
UPLOAD_BYTES_PER_SECOND = 100_000
# One look into the usage log: a few pages, and a throttling waited out.
READ_TOTAL = 120.0


def upload_total(size_bytes: int) -> float:
    """Return how many seconds an upload may take by default: the service separates voices while we wait."""
    return UPLOAD_TOTAL + size_bytes / UPLOAD_BYTES_PER_SECOND


TimeoutInput = float | Timeouts | None


def check_timeout(value: TimeoutInput) -> Timeouts:
    """Return the limits that a `timeout=` argument means: a number is the total, None is no total limit.

    Raises:
        ConfigError: it is neither.
    """
    return value if isinstance(value, Timeouts) else Timeouts(total=value)


def check_retry(max_retries: int | None, retry: RetryPolicy | None) -> RetryPolicy:
    """Return the policy that `max_retries=` or `retry=` means.

    Raises:
        ConfigError: both are given, or one is not what it should be.
    """
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise ConfigError(f"retry must be a RetryPolicy, not {type(retry).__name__}.", hint="A number is max_retries=.")
    if max_retries is None:
        return RetryPolicy() if retry is None else retry
    if retry is not None:
        raise ConfigError("Give max_retries= or retry=, not both.")
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or not 0 <= max_retries < MAX_ATTEMPTS:
        raise ConfigError(f"max_retries must be a whole number from 0 to {MAX_ATTEMPTS - 1}; got {max_retries!r}.")
    return RetryPolicy(attempts=max_retries + 1)


def check_concurrency(value: Any) -> None:
    """Refuse a number of calls at once that is none.

    Raises:
        ConfigError: it is neither a whole number above 0 nor None.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(f"max_concurrency must be a whole number above 0, or None to adapt; got {value!r}.")


def _concurrency(_instance: object, _attribute: object, value: Any) -> None:
    check_concurrency(value)


@frozen(kw_only=True)
class Options:
    """Everything a client was told, checked."""

    api_key: KeySource = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    timeouts: Timeouts | None = None
    """None: the defaults of each operation."""
    retry: RetryPolicy = RetryPolicy()
    max_concurrency: int | None = field(default=None, validator=_concurrency)
    """None: as many as the service takes well."""
    default_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    slow_disk: bool = False
    """Whether tracks are written in worker threads."""

    def timeouts_for_upload(self, size_bytes: int) -> Timeouts:
        """Return the limits of an upload of this many bytes."""
        return self.timeouts or Timeouts(total=upload_total(size_bytes))

    def timeouts_for_generate(self, patience_seconds: float = GENERATE_TOTAL) -> Timeouts:
        """Return the limits of a generation.

        Args:
            patience_seconds: how long its model is waited for by default.
        """
        return self.timeouts or Timeouts(total=patience_seconds)

    def timeouts_for_read(self) -> Timeouts:
        """Return the limits of one look into the account."""
        return self.timeouts or Timeouts(total=READ_TOTAL)
