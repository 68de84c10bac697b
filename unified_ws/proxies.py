"""Which proxy the sockets take, from the names ccxt gives to proxies.

The rule: a socket goes where the user said traffic goes, or nowhere. ccxt.pro connects directly
when only a REST proxy is set; here the sockets follow the REST proxy unless they have their own,
and a setting that cannot carry a socket is an error instead of a silent direct connection.
`{"wsProxy": ""}` asks for a direct connection in so many words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from unified_ws.errors import CCXT_ERRORS

SOCKET_NAMES = ("wsProxy", "wssProxy", "wsSocksProxy")
REST_NAMES = ("httpProxy", "httpsProxy", "socksProxy", "aiohttp_proxy")
NOT_FOR_SOCKETS = (
    "httpProxyCallback",
    "httpsProxyCallback",
    "socksProxyCallback",
    "proxyUrl",
    "proxyUrlCallback",
    "proxy",
    "proxies",
)
_TWINS = {
    "wsProxy": "ws_proxy",
    "wssProxy": "wss_proxy",
    "wsSocksProxy": "ws_socks_proxy",
    "httpProxy": "http_proxy",
    "httpsProxy": "https_proxy",
    "socksProxy": "socks_proxy",
    "httpProxyCallback": "http_proxy_callback",
    "httpsProxyCallback": "https_proxy_callback",
    "socksProxyCallback": "socks_proxy_callback",
    "proxyUrl": "proxy_url",
    "proxyUrlCallback": "proxy_url_callback",
}
_KINDS: Mapping[str, Literal["http", "socks"]] = {
    "http": "http",
    "https": "http",
    "socks4": "socks",
    "socks4a": "socks",
    "socks5": "socks",
    "socks5h": "socks",
}
_SECRET_PARAMS = ("key", "secret", "sign", "token", "passphrase", "password")


class SocketProxy(NamedTuple):
    """The proxy of every socket; `url` and `kind` are None for a direct connection.

    `name` is the configuration key that said so, "" where none did. False when direct.
    """

    url: str | None
    kind: Literal["http", "socks"] | None
    name: str = ""

    def __bool__(self) -> bool:
        return self.url is not None

    def __repr__(self) -> str:
        shown = redact_url(self.url) if self.url else self.url
        return f"SocketProxy(url={shown!r}, kind={self.kind!r}, name={self.name!r})"


@dataclass(frozen=True)
class Proxies:
    """The proxy settings as given, by ccxt's camelCase names; `repr` hides who logs in.

    `trust_env` is ccxt's `aiohttp_trust_env`: without a proxy here, those of the environment.
    """

    sockets: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, str] = field(default_factory=dict)
    not_for_sockets: tuple[str, ...] = ()
    trust_env: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Proxies:
        """Read the settings out of a ccxt configuration.

        Raises:
            InvalidProxySettings: Two settings contradict each other, or cannot carry a socket.
        """
        return cls._read(config.get)

    @classmethod
    def from_object(cls, exchange: object) -> Proxies:
        """Read the settings off a ccxt instance; raises what `from_config` raises."""
        return cls._read(lambda name: getattr(exchange, name, None))

    @classmethod
    def _read(cls, get: Callable[[str], object]) -> Proxies:
        proxies = cls(
            sockets=_texts(SOCKET_NAMES, get),
            rest=_texts(REST_NAMES, get),
            not_for_sockets=tuple(n for n in NOT_FOR_SOCKETS if _value(n, get) is not None),
            trust_env=bool(get("aiohttp_trust_env") or get("trust_env")),
        )
        # Asked here so that a contradiction is found when the exchange is made.
        _ = proxies.for_sockets
        return proxies

    @property
    def for_sockets(self) -> SocketProxy:
        """The proxy of the sockets: their own setting first, else that of REST.

        Raises:
            InvalidProxySettings: More than one is set, or only one that cannot carry a socket.
        """
        if self.sockets:
            return _one(self.sockets, ())
        if self.rest or self.not_for_sockets:
            return _one(self.rest, self.not_for_sockets)
        return SocketProxy(None, None)

    def __repr__(self) -> str:
        shown = {name: redact_url(url) for name, url in {**self.rest, **self.sockets}.items()}
        return f"Proxies({shown!r}, not_for_sockets={self.not_for_sockets!r})"


def redact_url(url: str) -> str:
    """Return `url` without what must not be shown: user, password, keys in the query."""
    if "://" not in url and "@" in url:
        return "***@" + url.rpartition("@")[2]
    parts = urlsplit(url)
    netloc = parts.netloc
    if "@" in netloc:
        netloc = "***@" + netloc.rpartition("@")[2]
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_is_secret(name) for name, _ in pairs):
        hidden = [(name, "***" if _is_secret(name) else value) for name, value in pairs]
        query = urlencode(hidden, safe="*/:,@")
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_PARAMS)


def _one(urls: Mapping[str, str], others: tuple[str, ...]) -> SocketProxy:
    names = [*urls, *others]
    if len(names) > 1:
        quoted = " and ".join(f'"{name}"' for name in names)
        raise CCXT_ERRORS["InvalidProxySettings"](f"{quoted} are set together: keep one of them")
    if others:
        raise CCXT_ERRORS["InvalidProxySettings"](
            f'"{others[0]}" cannot carry a socket: add "wsProxy" or "wsSocksProxy" for the '
            'sockets, or "wsProxy": "" to connect them directly'
        )
    (name, url), *_ = urls.items()
    if not url:
        return SocketProxy(None, None, name)
    return SocketProxy(url, _kind(name, url), name)


def _kind(name: str, url: str) -> Literal["http", "socks"]:
    kind = _KINDS.get(url.partition("://")[0].lower()) if "://" in url else None
    if kind is None:
        raise CCXT_ERRORS["InvalidProxySettings"](
            f'"{name}" must be a URL that starts with '
            + ", ".join(f"{scheme}://" for scheme in [*_KINDS][:-1])
            + f" or {[*_KINDS][-1]}://"
        )
    return kind


def _texts(names: tuple[str, ...], get: Callable[[str], object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        value = _value(name, get)
        if value is None or (value == "" and name not in SOCKET_NAMES):
            continue
        if not isinstance(value, str):
            raise CCXT_ERRORS["InvalidProxySettings"](f'"{name}" must be a URL as text')
        found[name] = value
    return found


def _value(name: str, get: Callable[[str], object]) -> object:
    # ccxt copies one spelling onto the other, so both may be there with the same value.
    value, twin = get(name), get(_TWINS[name]) if name in _TWINS else None
    if value is not None and twin is not None and value != twin:
        raise CCXT_ERRORS["InvalidProxySettings"](
            f'"{name}" and "{_TWINS[name]}" are two spellings of one setting: keep one of them'
        )
    return twin if value is None else value


__all__ = ["Proxies", "SocketProxy", "redact_url"]
