"""Which addresses of finished tracks are fetched, and what the answers there mean.

The service names such an address, and an address can name anything: so it is https, on the public internet, without a
user, and judged again after every redirect; the addresses that a name stands for are judged when they are dialled.
"""

import ipaddress
import re
from enum import Enum
from urllib.parse import quote, urljoin, urlsplit

from attrs import frozen

from aiml_music._sansio.options import is_loopback

MOST_REDIRECTS = 5
MOST_BYTES = 128 * 1024 * 1024
"""Six minutes of the largest audio that is known of are 104 MB."""

_MOST_CHARS = 8192
_HIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_HOST = re.compile(r"[0-9A-Za-z_.:-]+")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_NAT64, _MAPPED = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::ffff:0:0/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@frozen(kw_only=True)
class Reach:
    """Where a result may lie.

    Attributes:
        loopback: on this machine too.
        plain: there also without TLS.
    """

    loopback: bool = False
    plain: bool = False

    def allows(self, address: str) -> bool:
        """Say whether an IP address may be connected to; what is no IP address may not."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return _is_public(found) or (self.loopback and found.is_loopback)


def reach_of(base_url: str) -> Reach:
    """Return where the results of a service may lie: one on this machine, a sandbox, has them here."""
    parts = urlsplit(base_url)
    here = is_loopback(parts.hostname or "")
    return Reach(loopback=here, plain=here and parts.scheme == "http")


def _is_public(address: IpAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address in _NAT64 or address in _MAPPED:
        # An IPv4 address in other clothes: in a network without IPv4, every host that has no other one has such a one.
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    # Of 6to4, which hardly anybody uses any more and which may lead anywhere, Python's versions think differently.
    return address.is_global and not address.is_multicast and address.sixtofour is None


class RefusedAddressError(ValueError):
    """An address that is not fetched; `reason` is a clause that says why, without the address itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_result_url(url: str, reach: Reach) -> str:
    """Return an address as it can be asked for.

    Raises:
        RefusedAddressError: it is none that is fetched.
    """
    if len(url) > _MOST_CHARS or _HIDDEN.search(url):
        raise RefusedAddressError("it is no address")
    # Blanks and letters of other scripts, which browsers take.
    url = quote(url.strip(), safe=_PRINTABLE)
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        raise RefusedAddressError("it is no address") from None
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise RefusedAddressError("it holds a user or a password")
    if parts.scheme != "https" and not (reach.plain and parts.scheme == "http" and is_loopback(host)):
        raise RefusedAddressError("it is not https")
    if not _HOST.fullmatch(host):
        raise RefusedAddressError("it names no host")
    if _is_forbidden(host, reach):
        raise RefusedAddressError("it does not lie on the public internet")
    return parts._replace(fragment="").geturl()


def _is_forbidden(host: str, reach: Reach) -> bool:
    """Judge a host by its text; what a name stands for is known when it is dialled."""
    if is_loopback(host):
        return not reach.loopback
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not reach.allows(host)


def redirected(url: str, location: str | None, reach: Reach) -> str:
    """Return where a redirect leads.

    Raises:
        RefusedAddressError: it leads nowhere, or to an address that is not fetched.
    """
    if not location:
        raise RefusedAddressError("it is a redirect to nowhere")
    try:
        target = urljoin(url, location)
    except ValueError:
        raise RefusedAddressError("it is a redirect to no address") from None
    return check_result_url(target, reach)


class Fetch(Enum):
    """What an attempt to fetch a track came to."""

    HERE = "the track comes"
    MOVED = "it is elsewhere"
    AGAIN = "it may come the next time"
    GONE = "it is not there, or not for those who have this address"
    FORBIDDEN = "it is not fetched from there"
    UNFIT = "what comes is not taken"


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})


def meaning_of(status: int) -> Fetch:
    """Return what a status of a result's host means."""
    if status == 200:  # noqa: PLR2004 - all of it; nothing else was asked for
        return Fetch.HERE
    if status in _REDIRECTS:
        return Fetch.MOVED
    refused = 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004 - RFC 9110 §15.5
    return Fetch.GONE if refused else Fetch.AGAIN


_MOST_GONE = 3
_MOST_BROKEN = 20
_LONGEST_PAUSE = 30.0


def next_fetch(ending: Fetch, *, gone: int, broken: int) -> float | None:
    """Return how many seconds to wait before a track is fetched again, from an address asked for anew.

    Args:
        ending: how the latest attempt ended.
        gone: how often it was not there.
        broken: how often it did not come, or not to its end.

    Returns:
        The seconds; None where it is not fetched again.
    """
    if ending in {Fetch.FORBIDDEN, Fetch.UNFIT} or gone >= _MOST_GONE or broken >= _MOST_BROKEN:
        return None
    return min(_LONGEST_PAUSE, 2.0 ** (gone + broken - 1))
