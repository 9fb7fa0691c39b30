"""Which addresses of finished tracks are fetched: by their text, by what they stand for, and after redirects."""

import pytest

from aiml_music._sansio.result_url import (
    Fetch,
    Reach,
    RefusedAddressError,
    check_result_url,
    meaning_of,
    next_fetch,
    reach_of,
    redirected,
)

PUBLIC, HERE = Reach(), Reach(loopback=True, plain=True)


@pytest.mark.parametrize(
    ("base_url", "reach"),
    [
        ("https://api.aimlapi.com", PUBLIC),
        ("http://in-house.example:8080", PUBLIC),
        ("http://10.0.0.1", PUBLIC),
        ("http://127.0.0.1:8080", HERE),
        ("http://localhost:1", HERE),
        ("http://[::1]:1", HERE),
        ("https://127.0.0.1:8443", Reach(loopback=True)),
    ],
)
def test_only_a_service_on_this_machine_has_results_here(base_url: str, reach: Reach) -> None:
    """A sandbox; and without TLS only if that has none itself."""
    assert reach_of(base_url) == reach


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("https://cdn.example.com/a.mp3", "https://cdn.example.com/a.mp3"),
        (
            "  https://cdn.example.com:8443/a.mp3?x=%2B&y=a%20b#there  ",
            "https://cdn.example.com:8443/a.mp3?x=%2B&y=a%20b",
        ),
        ("https://cdn.example.com/my song é.mp3", "https://cdn.example.com/my%20song%20%C3%A9.mp3"),
        ("https://8.8.8.8/a", "https://8.8.8.8/a"),
        ("https://[2606:4700::1111]/a", "https://[2606:4700::1111]/a"),
        ("HTTPS://CDN.example.com/A", "https://CDN.example.com/A"),
    ],
)
def test_an_address_on_the_public_internet_is_fetched(given: str, asked: str) -> None:
    """As it is, but for what no request may hold."""
    assert check_result_url(given, PUBLIC) == asked


FORBIDDEN = [
    *("http://cdn.example.com/a", "ftp://cdn.example.com/a", "file:///etc/passwd", "//cdn.example.com/a", "a.mp3", ""),
    *("data:audio/mpeg;base64,AAAA", "javascript:alert(1)", "https:cdn.example.com", "https://", "https:///a"),
    *("https://user@cdn.example.com/a", "https://user:pass@cdn.example.com/a", "https://:@cdn.example.com/a"),
    *("https://cdn.example.com:x/a", "https://cdn.example.com:99999/a", "https://[::1/a", "https://[x]/a"),
    *("https://cdn.example.com/a\r\nHost: b", "https://cdn.example.com\\@10.0.0.1/", "https://a\x00b/"),
    *("https://cdn.example.com/" + "x" * 9000, "https://bücher.example/a", "https://cdn example.com/a"),
    *("https://127.0.0.1/a", "https://127.1.2.3/a", "https://localhost/a", "https://a.localhost/a", "https://[::1]/a"),
    *("https://10.0.0.1/a", "https://172.16.0.1/a", "https://192.168.1.1/a", "https://169.254.169.254/latest"),
    *("https://100.64.0.1/a", "https://0.0.0.0/a", "https://255.255.255.255/a", "https://224.0.0.1/a"),
    *("https://[fe80::1]/a", "https://[fc00::1]/a", "https://[ff02::1]/a", "https://[::]/a"),
    *("https://[::ffff:10.0.0.1]/a", "https://[::ffff:127.0.0.1]/a", "https://[2002:a00:1::]/a"),
    *("https://[64:ff9b::a00:1]/a", "https://[64:ff9b::7f00:1]/a", "https://192.0.2.1/a", "https://240.0.0.1/a"),
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_any_other_address_is_not(url: str) -> None:
    """No other scheme, no user, no private network, no disguise of one."""
    with pytest.raises(RefusedAddressError):
        check_result_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/a", "http://localhost/a", "https://127.0.0.1/a", "https://[::1]/a"]
)
def test_a_sandbox_has_its_results_here(url: str) -> None:
    """Only where the service itself is on this machine."""
    assert check_result_url(url, HERE) == url
    with pytest.raises(RefusedAddressError):
        check_result_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url", ["http://cdn.example.com/a", "http://10.0.0.1/a", "https://10.0.0.1/a", "http://8.8.8.8/a"]
)
def test_a_sandbox_opens_no_other_door(url: str) -> None:
    """Neither to a private network, nor to the world without TLS."""
    with pytest.raises(RefusedAddressError):
        check_result_url(url, HERE)
    assert not Reach(loopback=True).plain


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        *(("8.8.8.8", (True, True)), ("2606:4700::1111", (True, True))),
        *(("127.0.0.1", (False, True)), ("::1", (False, True))),
        *(("10.0.0.1", (False, False)), ("fe80::1%eth0", (False, False)), ("::ffff:10.0.0.1", (False, False))),
        *(("64:ff9b::a00:1", (False, False)), ("2002:7f00:1::", (False, False)), ("not an address", (False, False))),
        *(("64:ff9b::808:808", (True, True)), ("2002:808:808::", (False, False)), ("ff0e::1", (False, False))),
        *(("2001:0:4136:e378:8000:63bf:f5ff:fffe", (False, False)), ("::ffff:8.8.8.8", (True, True))),
    ],
)
def test_what_is_dialled_is_judged(address: str, allowed: tuple[bool, bool]) -> None:
    """What a name stands for, whatever its text promised."""
    assert (PUBLIC.allows(address), HERE.allows(address)) == allowed


def test_an_address_that_is_refused_says_why() -> None:
    """In a clause, which never repeats it: it may be signed."""
    with pytest.raises(RefusedAddressError) as caught:
        check_result_url("https://user:secret@cdn.example.com/a", PUBLIC)
    assert str(caught.value) == caught.value.reason == "it holds a user or a password"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.example.org/x", "https://other.example.org/x"),
        ("/b?c", "https://cdn.example.com/b?c"),
        ("b", "https://cdn.example.com/dir/b"),
        ("//other.example.org/x", "https://other.example.org/x"),
    ],
)
def test_a_redirect_is_an_address_like_any_other(location: str, target: str) -> None:
    """Relative to where it came from."""
    assert redirected("https://cdn.example.com/dir/a", location, PUBLIC) == target


@pytest.mark.parametrize(
    "location", [None, "", "http://other.example.org/x", "https://10.0.0.1/x", "https://[x", "//127.0.0.1/"]
)
def test_a_redirect_is_judged_anew(location: str | None) -> None:
    """Neither to nowhere nor to where the first address could not lead."""
    with pytest.raises(RefusedAddressError):
        redirected("https://cdn.example.com/dir/a", location, PUBLIC)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Fetch.HERE),
        *((status, Fetch.MOVED) for status in (301, 302, 303, 307, 308)),
        *((status, Fetch.GONE) for status in (400, 401, 403, 404, 410, 451)),
        *((status, Fetch.AGAIN) for status in (201, 204, 206, 300, 304, 408, 425, 429, 500, 503, 599)),
    ],
)
def test_a_status_has_one_meaning(status: int, meaning: Fetch) -> None:
    """Of a host nobody knows."""
    assert meaning_of(status) is meaning


def test_a_track_is_fetched_again_so_often() -> None:
    """Three times where it is not there, twenty where it breaks, never where it may not be fetched."""
    assert [next_fetch(Fetch.GONE, gone=n, broken=0) for n in (1, 2, 3)] == [1.0, 2.0, None]
    assert [next_fetch(Fetch.AGAIN, gone=0, broken=n) for n in (1, 2, 19, 20)] == [1.0, 2.0, 30.0, None]
    assert next_fetch(Fetch.FORBIDDEN, gone=0, broken=0) is None
    assert next_fetch(Fetch.UNFIT, gone=0, broken=0) is None
