"""A key that must turn up nowhere, and everything an error could show it through."""

import base64
import logging
import pickle
import traceback
from collections.abc import Iterator
from urllib.parse import quote

KEY = "sk-canary/0123456789+abcdef=="

_DISGUISES = (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), KEY.encode().hex())


def shown(error: BaseException) -> Iterator[str]:
    """Yield all that an error says to people, loggers, trackers and other processes, its whole chain included."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    for link in chain:
        yield str(link)
        yield repr(link)
        yield repr(link.args)
        yield repr(vars(link))
        yield repr(getattr(link, "__notes__", ()))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    yield logging.Formatter().formatException((type(error), error, error.__traceback__))


def assert_keyless(error: BaseException) -> None:
    """Make sure that an error shows the key to nobody, and reaches another process unharmed and without it."""
    pickled = pickle.dumps(error)
    again = pickle.loads(pickled)  # noqa: S301 - our own bytes
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    for text in (*shown(error), pickled.decode("latin-1")):
        for disguise in _DISGUISES:
            assert disguise not in text
