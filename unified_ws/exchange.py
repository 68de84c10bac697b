"""The exchange object: construction, life and death; reading is in `watch.py` and `stream.py`."""

from __future__ import annotations

import asyncio
import logging
import random
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from unified_ws import types
from unified_ws.adapter import Adapter, Rest
from unified_ws.compat import only_ours, refusing, twins_follow
from unified_ws.config import override as with_overrides
from unified_ws.config import parse_config, replaced
from unified_ws.core.actions import Notice
from unified_ws.core.engine import Engine
from unified_ws.core.streams import Stream
from unified_ws.dropped import drop, stand_by
from unified_ws.errors import CCXT_ERRORS, WrongLoop
from unified_ws.facts import Heartbeat, Venue
from unified_ws.observe import Observe
from unified_ws.proxies import Proxies
from unified_ws.rest import RestBridge, described, unborn
from unified_ws.rest_methods import RestMethods
from unified_ws.shell.budgets import rest_budgets
from unified_ws.shell.client import Client
from unified_ws.shell.garbage import hold_still
from unified_ws.shell.tls import tls_context
from unified_ws.shell.transport import Sessions
from unified_ws.stream import StreamMethods
from unified_ws.types import Config, Params
from unified_ws.watch_derivatives import WatchDerivatives
from unified_ws.watch_later import WatchLater

E = TypeVar("E", bound="Exchange")
_LIMITS = {"tradesLimit": 1000, "OHLCVLimit": 1000, "watchOrderBookLimit": 1000}
_LIVING: weakref.WeakSet[Exchange] = weakref.WeakSet()


class Exchange(WatchDerivatives, WatchLater, StreamMethods, Observe, RestMethods):
    """One venue: ccxt.pro's exchange object, supervised.

    Construct a class by its id (`unified_ws.<id>(config)`), or `unified_ws.exchange(name,
    config)`. No event loop is needed for that; the object then lives in the loop of its first
    call. Everything that is not declared here is answered by `rest`, the ccxt instance.

    Args:
        config: ccxt's constructor keys, and ours: `gateway`, `account`, `ws`.
    """

    adapter_class: ClassVar[type[Adapter]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the camelCase twins follow what a subclass overrides, as ccxt does."""
        super().__init_subclass__(**kwargs)
        twins_follow(cls)

    def __init__(
        self, config: Config | Mapping[str, Any] | None = None, *, _instance: Any = None
    ) -> None:
        raw, also = dict(config or {}), frozenset[str]()
        if _instance is not None:
            raw = only_ours(raw, _instance)
        elif type(self).describe is not Exchange.describe:
            says = self.describe()
            raw, also = _merged(says, raw), frozenset(says)
        self._adapter = self.adapter_class()
        self._settings, ccxt_config = parse_config(raw, also=also)
        self._venue: Venue = with_overrides(self._adapter.venue, self._settings)
        self._bridge = RestBridge(
            self._adapter, ccxt_config, self._settings.gateway, instance=_instance
        )
        self.rest = self._bridge.ccxt
        self._environment = "live"
        self._running: Client | None = None
        self._taps: list[Callable[[int, str, bytes], Any]] = []
        self._owners: dict[Hashable, set[Stream]] = {}
        self._turns = 0
        self._closed = False
        self._indexed = False
        self._handlers: dict[str, list[Callable[[Notice], Any]]] = {}
        self._side_tasks: set[asyncio.Task[Any]] = set()
        self._log_to = logging.getLogger(f"unified_ws.{self._venue.id}")
        if self._bridge.owned:
            for name, value in _LIMITS.items():
                self.rest.options.setdefault(name, value)
        if getattr(self.rest, "isSandboxModeEnabled", False):
            self._set_environment("testnet")
        elif self.rest.options.get("enableDemoTrading"):
            self._set_environment("demo")
        else:
            self._set_urls()
        self.has = self._truth()
        if self._settings.gateway is not None:
            self._log_to.warning("all traffic goes through the gateway %s", self._settings.gateway.base)
        _LIVING.add(self)

    # --- what it is -------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Return ccxt's id of the venue."""
        return str(self.rest.id) if self._venue.ccxt_id == self._venue.id else self._venue.id

    @property
    def options(self) -> dict[str, Any]:
        """Return ccxt's options; those of streams are read at each call."""
        found: dict[str, Any] = self.rest.options
        return found

    @options.setter
    def options(self, value: dict[str, Any]) -> None:
        self.rest.options = value

    @property
    def newUpdates(self) -> bool:
        """Say whether `watch_*` return only what is new to the caller, rather than the cache."""
        return bool(getattr(self.rest, "newUpdates", True))

    @newUpdates.setter
    def newUpdates(self, value: bool) -> None:
        self.rest.newUpdates = value

    @property
    def timeout_s(self) -> float:
        """Return how long a first contact may take, in seconds (ccxt's `timeout`, in ms)."""
        return float(self.rest.timeout) / 1000.0

    @property
    def raise_after_s(self) -> float:
        """Return after how long an outage raises in waiting calls, in seconds; 0: never."""
        return self._settings.ws.raise_after_s

    def describe(self) -> dict[str, Any]:
        """Return ccxt's description; a subclass may override it as with ccxt."""
        return described(self.adapter_class.venue.ccxt_id)

    def __repr__(self) -> str:
        gateway = self._settings.gateway
        extra = f", gateway {gateway.base}" if gateway else ""
        env = "" if self._environment == "live" else f", {self._environment}"
        return f"<unified_ws.{self.id}{env}{extra}>"

    def __str__(self) -> str:
        return self.id

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(n for n in dir(self.rest) if not n.startswith("_"))})

    def __getattr__(self, name: str) -> Any:
        # Only what is not found here: ccxt answers.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if "rest" not in self.__dict__:  # `describe()` of a subclass uses ccxt's helpers
            made = unborn(self.adapter_class.venue.ccxt_id)
            return made if name == "rest" else getattr(made, name)
        if name.startswith(("watch", "un_watch", "unWatch")) or name.endswith(("_ws", "Ws")):
            theirs = getattr(self.rest, name, None)
            if not callable(theirs):
                raise AttributeError(f"{self.id} has no attribute {name!r}")
            return refusing(theirs, f"{self.id} {name}() is not supported")
        return getattr(self.rest, name)

    def __setattr__(self, name: str, value: Any) -> None:
        known = "rest" in self.__dict__ and not name.startswith("_")
        if known and not hasattr(type(self), name) and name != "has" and hasattr(self.rest, name):
            setattr(self.rest, name, value)
        else:
            object.__setattr__(self, name, value)
        if name in ("verbose", "handle_message") and self.__dict__.get("_running") is not None:
            self._client.tap = self._wants_frames()

    # --- environments -----------------------------------------------------------------------

    def set_sandbox_mode(self, enabled: bool) -> None:
        """Use the venue's testnet, for REST and sockets; call it right after construction.

        Raises:
            NotSupported: The venue has none.
        """
        self._set_environment("testnet" if enabled else "live")
        self.rest.set_sandbox_mode(enabled)
        self._set_urls()

    def enable_demo_trading(self, enable: bool) -> None:
        """Use the venue's demo environment, for REST and sockets.

        Raises:
            NotSupported: The venue has none.
        """
        self._set_environment("demo" if enable else "live")
        if "demo" in self.rest.urls:
            self.rest.enable_demo_trading(enable)
        else:  # what ccxt calls the sandbox of this venue is its demo trading
            self.rest.set_sandbox_mode(enable)
        self._set_urls()

    def _set_environment(self, name: str) -> None:
        if self._running is not None and self._running.engine.streams:
            text = f"{self.id}: streams are open; choose the environment right after construction"
            raise CCXT_ERRORS["BadRequest"](text)
        before, self._environment = self._environment, name
        try:
            self._set_urls()
        except CCXT_ERRORS["NotSupported"]:
            self._environment = before
            raise

    def _set_urls(self) -> None:
        found = {
            name: getattr(endpoint, self._environment)
            for name, endpoint in self._venue.endpoints.items()
        }
        urls = {name: url for name, url in found.items() if url is not None}
        if not urls:
            raise CCXT_ERRORS["NotSupported"](f"{self.id} has no {self._environment}")
        if self._bridge.owned and isinstance(self.rest.urls.get("api"), dict):
            # A copy: ccxt keeps the address tables of live and testnet to swap them.
            self.rest.urls["api"] = {**self.rest.urls["api"], "ws": urls}
        self._socket_urls = urls

    # --- life -------------------------------------------------------------------------------

    @property
    def _client(self) -> Client:
        assert self._running is not None
        return self._running

    async def _ready(self, symbols: Sequence[str], method: str) -> None:
        """Make sure that this loop is ours and that the markets are known."""
        client = self._running
        loop = asyncio.get_running_loop()
        if client is None:
            client = self._start()
        elif client.loop is not loop:
            raise WrongLoop(self._wrong_loop(client.loop))
        if not self._bridge.loaded or not self._indexed:
            await self._bridge.load_markets()
            if self._running is not client:
                raise CCXT_ERRORS["ExchangeClosedByUser"](f"{self.id} was closed by the user")
            self._indexed = True
            if self._settings.ws.freeze:
                hold_still(id(client))
        if not isinstance(symbols, (list, tuple)) or not all(isinstance(s, str) for s in symbols):
            text = f"{self.id} {method}() takes a list of symbols, each a str"
            raise CCXT_ERRORS["ArgumentsRequired"](text)

    def _start(self) -> Client:
        self._closed = False
        self._indexed = False
        settings = self._settings.ws
        engine = Engine(
            self._adapter, self._venue, jitter=_jitter,
            markets=self._bridge.resolver, buffer=settings.buffer.rows,
            take_over_s=settings.take_over_s, quarantine=settings.quarantine,
            candles=self._limit_of("OHLCVLimit"),
        )  # fmt: skip
        engine.raise_on_disconnect = settings.raise_on_disconnect
        sessions = Sessions(
            tls_context(getattr(self.rest, "cafile", None)), trust_env=bool(getattr(self.rest, "aiohttp_trust_env", False)),
            compress=settings.compress,
        )  # fmt: skip
        client = self._running = Client(
            engine, self, sessions, budget_key=self._address(), tap=self._wants_frames()
        )
        self._bridge.install()
        self._bridge.budgets = client.rest_budgets
        client.last = stand_by(self._venue.id, client, self._bridge)
        return client

    def _address(self) -> str:
        """Name where the venue sees us come from: it counts by address."""
        gateway = self._settings.gateway
        return gateway.base if gateway else (self._proxies().for_sockets.url or "direct")

    def _wrong_loop(self, old: asyncio.AbstractEventLoop) -> str:
        if old.is_closed():
            return (
                f"{self.id}: the event loop of this object has ended without `await ex.close()`; "
                "construct a new object in the new loop"
            )
        return (
            f"{self.id}: this object lives in another event loop; use it there, or construct "
            "one object a loop"
        )

    async def close(self, clean_instance_data: bool = False) -> None:
        """End every stream, task and socket, within five seconds.

        Waiting calls get `ExchangeClosedByUser`. Idempotent; a later call starts anew.

        Args:
            clean_instance_data: Forget the markets, too.
        """
        client = self._running
        if client is not None and client.loop is not asyncio.get_running_loop():
            if not client.loop.is_closed():
                raise WrongLoop(self._wrong_loop(client.loop))
            client = self._running = None
        self._closed = True
        if client is not None:
            self._running = None
            client.fail_waits(
                lambda: CCXT_ERRORS["ExchangeClosedByUser"](f"{self.id} was closed by the user")
            )
            await client.close()
            if client.last is not None:
                await client.last.aclose()
        for task in list(self._side_tasks):
            task.cancel()
        self._owners.clear()
        await self._bridge.close()
        if clean_instance_data:
            self.rest.clean_rest_data()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __del__(self) -> None:
        bridge = self.__dict__.get("_bridge")
        if bridge is not None:
            drop(self._venue.id, self.__dict__.get("_running"), bridge)

    async def load_markets(
        self, reload: bool = False, params: Params = {}
    ) -> dict[str, types.Market]:
        """Load the markets of the venue, once; returns them by symbol, as ccxt's dicts.

        Args:
            reload: Ask again although they are known.
            params: Passed to ccxt's `fetch_markets`.
        """
        if self._running is None:
            self._bridge.budgets = rest_budgets(self._venue, self._address())
        await self._bridge.load_markets(reload=reload, params=params)
        markets: dict[str, types.Market] = self.rest.markets
        return markets

    loadMarkets = load_markets
    setSandboxMode = set_sandbox_mode
    enableDemoTrading = enable_demo_trading

    async def _rest(self, name: str, *args: Any) -> Any:
        return await getattr(self.rest, name)(*args)

    # --- what the client asks -----------------------------------------------------------------

    def socket_url(self, endpoint_name: str) -> str:
        """Return where sockets of an endpoint go; `ex.urls["api"]["ws"]` may be edited."""
        table = self.rest.urls.get("api") if self._bridge.owned else None
        edited = table.get("ws") if isinstance(table, dict) else None
        found = edited.get(endpoint_name) if isinstance(edited, dict) else None
        found = found or self._socket_urls.get(endpoint_name)
        if found is None:
            text = f"{self.id} has no {self._environment} for {endpoint_name}"
            raise CCXT_ERRORS["NotSupported"](text)
        return str(found)

    def redirected(self, url: str) -> str:
        """Return `url` as the gateway wants it."""
        gateway = self._settings.gateway
        return gateway.socket_url(url) if gateway else url

    def heartbeat(self, dictated: Heartbeat) -> Heartbeat:
        """Return the heartbeat that a venue dictates, with what the user says instead."""
        return replaced(dictated, self._settings.ws.heartbeat)

    def socket_proxy(self) -> tuple[str | None, str | None]:
        """Return the proxy for sockets and its kind (`http` or `socks`); None: direct."""
        found = self._proxies().for_sockets
        return (found.url, found.kind) if found else (None, None)

    def _proxies(self) -> Proxies:
        return Proxies.from_object(self.rest)

    def socket_headers(self) -> dict[str, str]:
        """Return extra headers of sockets."""
        return dict(self._settings.headers)

    async def rest_call(self, rest: Rest) -> Any:
        """Perform one REST call of the core."""
        return await self._bridge.call(rest)

    def _limit_of(self, name: str) -> int:
        return int(self.options.get(name) or _LIMITS[name])

    def _symbol(self, symbol: str) -> str:
        return str(self.rest.symbol(symbol)) if self._bridge.loaded else symbol

    def _release(self, holder: Hashable) -> None:
        """Let go of every stream that `holder` holds."""
        client = self._running
        if client is None or client.loop.is_closed():
            return
        for stream in list(client.engine.streams.values()):
            if holder in stream.holders:
                client.engine.release(stream, holder, client.loop.time())
        client.perform()

    def _side_task(self, coroutine: Any) -> None:
        """Run an asynchronous handler; its errors go to the log."""
        task = asyncio.ensure_future(coroutine)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_task_done)

    def _side_task_done(self, task: asyncio.Task[Any]) -> None:
        self._side_tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log_to.error("a handler failed", exc_info=task.exception())


def _jitter(ceiling: float) -> float:
    return random.uniform(0.0, ceiling)  # noqa: S311  (it spreads dials, it guards nothing)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(base)
    for key, value in over.items():
        mine = made.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        made[key] = _merged(mine, value) if both else value  # type: ignore[arg-type]  # just tested
    return made


def living() -> list[Exchange]:
    """Return the exchange objects that have not been closed."""
    return [ex for ex in _LIVING if ex.__dict__.get("_running") is not None]


__all__ = ["Exchange", "living"]
