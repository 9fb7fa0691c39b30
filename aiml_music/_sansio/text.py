"""Make foreign text fit to be shown: a server's words never steer a terminal, fill a log or repeat a key."""

import unicodedata

MAX_CHARS = 500
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: str, *, secret: str | None = None, max_chars: int = MAX_CHARS) -> str:
    """Return text on one line, without control and formatting characters, without the key, and not too long.

    Args:
        text: what somebody else wrote.
        secret: the key, which a server may echo.
        max_chars: the longest result, the ellipsis included.
    """
    # Cut first: ten megabytes of text are not worth looking at, and blanks may shrink.
    head = text[: 4 * max_chars]
    shown = "".join(" " if c.isspace() else "" if unicodedata.category(c) in _HIDDEN else c for c in head)
    if secret:
        shown = shown.replace(secret, "***")
        if len(text) > len(head):
            # The cut may have gone through the key, and what is left of it would still be shown.
            shown = shown[: -len(secret)]
    shown = " ".join(shown.split())
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"
