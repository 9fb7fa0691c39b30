"""From what a client was given, and the environment, to its options."""

import os
from collections.abc import Mapping
from typing import Literal

from attrs import evolve

from aiml_music._calls.keys import key_source
from aiml_music._io.transport import HttpxTransport
from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.options import (
    UNSET,
    Options,
    TimeoutInput,
    Unset,
    base_url_from_env,
    check_base_url,
    check_headers,
    check_retry,
    check_timeout,
    key_from_env,
)
from aiml_music._sansio.ports import Transport
from aiml_music._sansio.retry import RetryPolicy
from aiml_music._sansio.secret import KeySource


def options_of(
    key: KeySource | None,
    base_url: str | None,
    timeout: TimeoutInput | Unset,
    max_retries: int | None,
    retry: RetryPolicy | None,
    max_concurrency: int | None,
    default_headers: Mapping[str, str] | None,
    slow_disk: bool,  # noqa: FBT001 - given in the order of the constructor
    allow_insecure_http: bool,  # noqa: FBT001 - as above
) -> Options:
    """Return the options of a client, from the arguments of its constructor.

    Raises:
        ConfigError: one of them cannot be used.
    """
    return Options(
        api_key=key_from_env(os.environ) if key is None else key_source(key),
        base_url=check_base_url(
            base_url_from_env(os.environ) if base_url is None else base_url, allow_insecure_http=allow_insecure_http
        ),
        timeouts=None if timeout is UNSET else check_timeout(timeout),
        retry=check_retry(max_retries, retry),
        max_concurrency=max_concurrency,
        default_headers=check_headers(default_headers or {}),
        slow_disk=slow_disk,
    )


def changed(
    options: Options,
    key: KeySource | None,
    timeout: TimeoutInput | Unset,
    max_retries: int | None,
    retry: RetryPolicy | None,
    default_headers: Mapping[str, str] | None,
) -> Options:
    """Return the options of a view, from those of its client and the arguments of `with_options`.

    Raises:
        ConfigError: one of them cannot be used.
    """
    headers = dict(options.default_headers) | dict(check_headers(default_headers or {}))
    return evolve(
        options,
        api_key=options.api_key if key is None else key_source(key),
        timeouts=options.timeouts if timeout is UNSET else check_timeout(timeout),
        retry=options.retry if max_retries is None and retry is None else check_retry(max_retries, retry),
        default_headers=tuple(headers.items()),
    )


def transport_of(given: Transport | Literal["stock"] | None) -> Transport:
    """Return the way to send requests that an argument means.

    Raises:
        ConfigError: it means none.
    """
    if isinstance(given, str) and given != "stock":
        raise ConfigError(f"transport={given!r} is unknown; there is 'stock'.")
    return HttpxTransport(stock=given == "stock") if given is None or isinstance(given, str) else given
