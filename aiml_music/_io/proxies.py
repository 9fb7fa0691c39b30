"""Which proxy a request goes through, as the environment says."""

from urllib.parse import urlsplit

from aiml_music._sansio.options import is_loopback


def proxy_for(url: str) -> str | None:
    """Return the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name for an address, or None.

    Loopback is never sent through a proxy: the sandbox lives there, and a proxy's loopback is another machine's.
    """
    from urllib import request  # noqa: PLC0415 - slow to load, and the HTTP library has done it

    parts = urlsplit(url)
    # With its port, which an entry of NO_PROXY may name.
    if is_loopback(parts.hostname or "") or request.proxy_bypass(parts.netloc):
        return None
    proxies = request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        return f"http://{proxy}"
    return proxy
