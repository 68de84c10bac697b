"""The bridge to ccxt: all REST of the library, and the markets.

Beside the error classes (`errors.py`) and the lists of ids (`ccxt_ids.py`) this is the only
importer of ccxt. Requests of the core bypass ccxt's throttler and are charged to our budget;
the user's own calls on `ex.rest` draw from the same budget, at a lower priority.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import certifi

from unified_ws.adapter import Adapter, Rest
from unified_ws.core.limits import Budget
from unified_ws.errors import AdapterError
from unified_ws.events import Market, Markets
from unified_ws.facts import Endpoint, RestHost
from unified_ws.gateway import Gateway
from unified_ws.proxies import Proxies, redact_url
from unified_ws.shell.dialing import explain
from unified_ws.shell.tls import tls_context
from unified_ws.shell.transport import discard

_URL = re.compile(r"https?://\S+")
_SECTION: ContextVar[str] = ContextVar("section", default="")
"""The section of ccxt's API that the running call belongs to."""
_SECRETS = ("apiKey", "secret", "password", "uid", "privateKey", "token", "twofa", "walletAddress")


class _Unthrottled:
    """Stands in for the ccxt instance in one implicit call: signs and sends, never waits."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    async def request(
        self, path: str, api: Any, method: str, params: Mapping[str, Any], config: Any = None
    ) -> Any:
        del config
        signed = self._instance.sign(path, api, method, dict(params))
        return await self._instance.fetch(
            signed["url"], signed["method"], signed["headers"], signed["body"]
        )


class RestBridge:
    """One ccxt instance, ours or the user's.

    Args:
        adapter: Its venue names ccxt's id and the implicit methods that are used.
        config: What ccxt's constructor takes.
        gateway: Where requests go instead, if anywhere.
        instance: The user's own ccxt object; then `config` is not used and it is never closed.

    Raises:
        AdapterError: The installed ccxt lacks the exchange, or a method that the adapter names.
        NotSupported: `instance` is not one of `ccxt.async_support` or `ccxt.pro`.
    """

    def __init__(
        self, adapter: Adapter, config: dict[str, Any], gateway: Gateway | None,
        instance: Any = None,
    ) -> None:  # fmt: skip
        venue = self.venue = adapter.venue
        self._adapter = adapter
        self.gateway = gateway
        self.owned = instance is None
        if instance is None:
            made = getattr(ccxt_async, venue.ccxt_id, None)
            if made is None:
                text = f"{venue.id}: the installed ccxt {ccxt.__version__} has no {venue.ccxt_id}"
                raise AdapterError(f"{text}: install a version that this library allows")
            options = {**venue.rest_options, **config.get("options", {})}
            instance = made({**config, "options": options})
        elif not isinstance(instance, ccxt_async.Exchange):
            text = f"{type(instance).__name__} is not an object of ccxt.async_support or ccxt.pro"
            raise ccxt.NotSupported(f"{text}: only those share an event loop with streams")
        self.ccxt = instance
        self.budgets: Mapping[str, Budget] = {}
        self.taps: list[Callable[[str, Any], None]] = []
        """Called with every answer: its URL before the gateway, and its parsed body."""
        self._known: dict[str, tuple[Any, Market]] = {}
        self._resolvers: dict[str, dict[str, str]] = {}
        self._indexed: dict[str, int] = {}
        self._loading: asyncio.Task[None] | None = None
        self._hooks = {
            "fetch": self._fetch, "throttle": self._throttle, "request": self._request,
            "log": self._log,
        }  # fmt: skip
        self._replaced: dict[str, Any] = {}
        self._installed = False
        self._check_methods()
        self.install()

    def install(self) -> None:
        """Put our methods in the place of the instance's own, whose work they do."""
        if self.owned:
            self.ccxt.closed_by_user = False  # it may open again after a `close()` of ours
            usual = self.ccxt.verify and self.ccxt.cafile == certifi.where()
            if usual and not self.ccxt.options.get("include_OS_certificates"):
                self.ccxt.ssl_context = tls_context()
        if self._installed:
            return
        self._installed = True
        self._plain_fetch = self.ccxt.fetch
        self._plain_throttle = self.ccxt.throttle
        self._plain_request = self.ccxt.request
        self._plain_log = self.ccxt.log
        for name, ours in self._hooks.items():
            self._replaced[name] = self.ccxt.__dict__.get(name)
            setattr(self.ccxt, name, ours)

    def restore(self) -> None:
        """Give a user's ccxt object its own methods back."""
        self._installed = False
        for name, ours in self._hooks.items():
            if self.ccxt.__dict__.get(name) != ours:
                continue  # somebody has put another there meanwhile
            before = self._replaced.pop(name, None)
            if before is None:
                delattr(self.ccxt, name)
            else:
                setattr(self.ccxt, name, before)

    async def close(self) -> None:
        """Close what is ours; what is the user's is as it was before."""
        if not self.owned:
            self.restore()
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None
        if self.owned:
            self.ccxt.timeout_on_exit = 0
            await self.ccxt.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop that connections of ours are open in; None: there are none."""
        if not self.owned or self.ccxt.session is None:
            return None
        loop: asyncio.AbstractEventLoop | None = self.ccxt.asyncio_loop
        return loop

    def drop(self) -> None:
        """Drop what is ours at once: there is no event loop left to close it in."""
        if not self.owned:
            self.restore()
        else:
            for session in (self.ccxt.session, *(self.ccxt.socks_proxy_sessions or {}).values()):
                discard(session)
            self.ccxt.session = self.ccxt.tcp_connector = self.ccxt.socks_proxy_sessions = None

    # --- markets ----------------------------------------------------------------------------

    @property
    def loaded(self) -> bool:
        """Say whether the markets are known."""
        return bool(self.ccxt.markets)

    async def load_markets(self, *, reload: bool = False, params: Mapping[str, Any] = {}) -> None:
        """Load the markets once, however many calls ask and whichever of them is cancelled."""
        if self.loaded and not reload:
            self._index()
            return
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().create_task(self._load(params, reload=reload))
        await asyncio.shield(self._loading)

    async def _load(self, params: Mapping[str, Any], *, reload: bool) -> None:
        if self.owned:
            self.ccxt.open()
        try:
            await self.ccxt.load_markets(reload, dict(params))
        except ccxt.BaseError as exc:
            raise self.explained(exc) from exc
        self._index()

    def _index(self) -> None:
        for name, endpoint in self.venue.endpoints.items():
            known = self._resolvers.setdefault(name, {})
            if known and self._indexed.get(name) == len(self.ccxt.markets):
                continue
            self._indexed[name] = len(self.ccxt.markets)
            known.clear()
            for market in self.ccxt.markets.values():
                if not _serves(endpoint, market):
                    continue
                wire_id = self._adapter.wire_id(market)
                # Of two markets that sockets call alike, the one of that very id is meant.
                if wire_id == market["id"] or wire_id not in known:
                    known[wire_id] = market["symbol"]

    def resolver(self, endpoint_name: str) -> Markets:
        """Return what turns the venue's market ids into symbols, for one endpoint."""
        return self._resolvers.setdefault(endpoint_name, {}).get

    def market(self, symbol: str) -> Market:
        """Return a market that this venue streams.

        Raises:
            BadSymbol: It has no such market, or none that an endpoint of ours serves.
        """
        known = self._known.get(symbol)
        if known is not None and known[0] is self.ccxt.markets.get(symbol):
            return known[1]
        try:
            market = self.ccxt.market(symbol)
        except ccxt.BadSymbol as exc:
            raise ccxt.BadSymbol(self._no_such(symbol)) from exc
        if not any(_serves(endpoint, market) for endpoint in self.venue.endpoints.values()):
            raise ccxt.BadSymbol(f"{self.venue.id}: {symbol} is not streamed by this adapter")
        size = market.get("contractSize")
        made = Market(
            symbol=market["symbol"], id=market["id"], type=market["type"], base=market["base"],
            quote=market["quote"], settle=market.get("settle"), linear=market.get("linear"),
            inverse=market.get("inverse"),
            contract_size=float(size) if size is not None and market.get("contract") else None,
            wire_id=self._adapter.wire_id(market), info=market.get("info") or {},
        )  # fmt: skip
        self._known[symbol] = market, made
        return made

    def _no_such(self, symbol: object) -> str:
        from difflib import get_close_matches

        text = f"{self.venue.id} has no market {symbol!r}"
        near = get_close_matches(str(symbol).upper(), list(self.ccxt.markets or ()), n=3, cutoff=0.8)
        return f"{text}: did you mean {' or '.join(near)}?" if near else text

    def safe_ticker(self, fields: dict[str, Any], symbol: str) -> dict[str, Any]:
        """Complete a ticker by ccxt's own rules."""
        made: dict[str, Any] = self.ccxt.safe_ticker(fields, self.ccxt.markets.get(symbol))
        return made

    # --- requests ---------------------------------------------------------------------------

    async def call(self, rest: Rest) -> Any:
        """Perform one request of the core, outside ccxt's throttler."""
        entry = getattr(type(self.ccxt), rest.method)
        try:
            return await entry(_Unthrottled(self.ccxt), dict(rest.params))
        except ccxt.BaseError as exc:
            raise self.explained(exc) from exc

    def explained(self, exc: BaseException) -> BaseException:
        """Return an error that names the hop; errors that are no such thing stay what they are."""
        found = _URL.search(str(exc))
        url = found.group(0) if found else str(self.ccxt.urls.get("www", self.venue.id))
        made = explain(self.venue.id, url, exc, proxy=self._proxy())
        if isinstance(exc, ccxt.NetworkError) or made.status is not None:
            return made
        return exc

    async def _fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        gateway, asked = self.gateway, url
        if gateway is not None:
            if not gateway.allows_credentials and self._has_credentials(url, headers, body):
                text = f"{self.venue.id}: the gateway {gateway.base} is neither https nor loopback"
                raise ccxt.AuthenticationError(f"{text}: credentials are not sent through it")
            url = gateway.rest_url(url)
        answer = await self._plain_fetch(url, method, headers, body)
        for tap in self.taps:
            tap(asked, answer)
        return answer

    async def _request(
        self, path: str, api: Any = "public", method: str = "GET", *args: Any, **kwargs: Any
    ) -> Any:
        # ccxt's throttle is not told what it throttles.
        before = _SECTION.set(api if isinstance(api, str) else str(api[0]))
        try:
            return await self._plain_request(path, api, method, *args, **kwargs)
        finally:
            _SECTION.reset(before)

    def _host(self) -> tuple[Budget, RestHost] | None:
        """Return the budget that the running call draws from."""
        section = _SECTION.get()
        named = (name for name, host in self.venue.rest.items() if section in host.apis)
        name = next(named, "")
        budget, host = self.budgets.get(name), self.venue.rest.get(name)
        return (budget, host) if budget is not None and host is not None else None

    async def _throttle(self, cost: float | None = None) -> None:
        found = self._host()
        if found is None:
            await self._plain_throttle(cost)
            return
        budget, host = found
        weight = (1.0 if cost is None else float(cost)) * host.per_ccxt_cost
        loop = asyncio.get_running_loop()
        while not budget.take(loop.time(), weight):  # noqa: ASYNC110  (it says how long)
            await asyncio.sleep(budget.wait_s(loop.time(), weight))

    def _has_credentials(self, *parts: object) -> bool:
        text = repr(parts)
        return any(secret in text for secret in self.secrets())

    def secrets(self) -> list[str]:
        """Return the credentials that must never be shown."""
        values = (getattr(self.ccxt, name, None) for name in _SECRETS)
        return [value for value in values if isinstance(value, str) and len(value) > 3]

    def redact(self, text: str) -> str:
        """Return text without any credential."""
        for secret in self.secrets():
            text = text.replace(secret, "***")
        return text

    def _log(self, *args: Any) -> None:
        self._plain_log(*(self.redact(str(arg)) for arg in args))

    def _proxy(self) -> str | None:
        rest = Proxies.from_object(self.ccxt).rest
        return next((redact_url(url) for url in rest.values()), None)

    def _check_methods(self) -> None:
        for name in self.venue.rest_methods:
            if not callable(getattr(type(self.ccxt), name, None)):
                text = f"{self.venue.id}: ccxt {ccxt.__version__} has no method {name}"
                raise AdapterError(f"{text}: install a version that this library allows")


def _serves(endpoint: Endpoint, market: Mapping[str, Any]) -> bool:
    return all(market.get(key) == value for key, value in endpoint.serves.items())


def described(ccxt_id: str) -> dict[str, Any]:
    """Return ccxt's own description of a venue, without constructing it."""
    found: dict[str, Any] = unborn(ccxt_id).describe()
    return found


def unborn(ccxt_id: str) -> Any:
    """Return a ccxt object that was not initialised: its helpers work, it knows nothing."""
    made = getattr(ccxt_async, ccxt_id)
    return made.__new__(made)
