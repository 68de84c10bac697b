"""Which proxy a socket takes, and that no setting ends in a silent direct connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from unified_ws.proxies import Proxies, redact_url

NOT_FOR_SOCKETS = (
    '"{}" cannot carry a socket: add "wsProxy" or "wsSocksProxy" for the sockets, '
    'or "wsProxy": "" to connect them directly'
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, (None, None, "")),
        ({"wsProxy": "http://h:1"}, ("http://h:1", "http", "wsProxy")),
        ({"wss_proxy": "https://h:1"}, ("https://h:1", "http", "wssProxy")),
        ({"ws_socks_proxy": "socks5h://h:1"}, ("socks5h://h:1", "socks", "wsSocksProxy")),
        ({"wsProxy": "http://w", "httpsProxy": "http://r"}, ("http://w", "http", "wsProxy")),
        ({"httpsProxy": "http://r"}, ("http://r", "http", "httpsProxy")),
        ({"http_proxy": "http://r"}, ("http://r", "http", "httpProxy")),
        ({"socksProxy": "socks4://r"}, ("socks4://r", "socks", "socksProxy")),
        ({"aiohttp_proxy": "http://r"}, ("http://r", "http", "aiohttp_proxy")),
        ({"httpProxy": "http://r", "http_proxy": "http://r"}, ("http://r", "http", "httpProxy")),
        ({"wsProxy": "", "httpProxy": "http://r"}, (None, None, "wsProxy")),
        ({"wsProxy": "", "proxyUrl": "http://r"}, (None, None, "wsProxy")),
        ({"httpProxy": ""}, (None, None, "")),
    ],
)
def test_sockets_take_their_own_proxy_then_that_of_rest(
    raw: dict[str, str], expected: tuple[str | None, str | None, str]
) -> None:
    """A user behind a proxy who names one for REST does not expect a direct socket."""
    chosen = Proxies.from_config(raw).for_sockets
    assert tuple(chosen) == expected
    assert bool(chosen) == (expected[0] is not None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {"wsProxy": "http://a", "wsSocksProxy": "socks5://b"},
            '"wsProxy" and "wsSocksProxy" are set together: keep one of them',
        ),
        (
            {"httpProxy": "http://a", "socksProxy": "socks5://b"},
            '"httpProxy" and "socksProxy" are set together: keep one of them',
        ),
        (
            {"httpProxy": "http://a", "httpsProxyCallback": print},
            '"httpProxy" and "httpsProxyCallback" are set together: keep one of them',
        ),
        (
            {"wsProxy": "http://a", "ws_proxy": "http://b"},
            '"wsProxy" and "ws_proxy" are two spellings of one setting: keep one of them',
        ),
        (
            {"socks_proxy_callback": print},
            NOT_FOR_SOCKETS.format("socksProxyCallback"),
        ),
        (
            {"proxyUrl": "https://relay/"},
            NOT_FOR_SOCKETS.format("proxyUrl"),
        ),
        (
            {"wsProxy": "h:8080"},
            (
                '"wsProxy" must be a URL that starts with http://, https://, socks4://, '
                "socks4a://, socks5:// or socks5h://"
            ),
        ),
        ({"wsProxy": 8080}, '"wsProxy" must be a URL as text'),
    ],
)
def test_contradicting_proxies_are_refused(raw: dict[str, Any], expected: str) -> None:
    """Never a silent direct connection: that is how an address gets banned, or known."""
    with pytest.raises(ccxt.InvalidProxySettings) as caught:
        Proxies.from_config(raw)
    assert str(caught.value) == expected


def test_proxies_are_read_off_a_ccxt_object_too() -> None:
    """`exchange(my_ccxt_instance)` takes over what the user configured there."""
    theirs = SimpleNamespace(httpProxy=None, https_proxy="http://r", aiohttp_trust_env=True)
    proxies = Proxies.from_object(theirs)
    assert proxies.for_sockets.url == "http://r"
    assert proxies.trust_env
    assert Proxies.from_config({"trust_env": True}).trust_env
    assert not Proxies.from_object(SimpleNamespace()).trust_env


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:pw@h:1/p", "http://***@h:1/p"),
        ("socks5://h:1", "socks5://h:1"),
        ("user:pw@h:1", "***@h:1"),
        ("wss://h/ws?listenKey=abc&x=1", "wss://h/ws?listenKey=***&x=1"),
        ("wss://h/ws?streams=a@trade/b@depth", "wss://h/ws?streams=a@trade/b@depth"),
        ("https://h/p?symbol=A%2FB&signature=ff", "https://h/p?symbol=A/B&signature=***"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    """URLs end in logs, and logs end in bug reports."""
    assert redact_url(url) == shown
