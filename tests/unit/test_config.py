"""The configuration: what is ours, what is ccxt's, and the sentence for what is neither."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from unified_ws.config import (
    ConfigError,
    Gateway,
    Settings,
    SocketProxy,
    WsSettings,
    override,
    parse_config,
)
from unified_ws.facts import Backoff, Endpoint, Heartbeat, Kind, Limits, Venue, Window


def settings(raw: dict[str, Any], **environ: str) -> Settings:
    """Parse what is fine."""
    return parse_config(raw, environ)[0]


def sentence(raw: dict[str, Any], **environ: str) -> str:
    """Return the sentence for what is not."""
    with pytest.raises(ConfigError) as caught:
        parse_config(raw, environ)
    return str(caught.value)


# --- splitting -----------------------------------------------------------------------------


def test_nothing_said_means_the_documented_defaults() -> None:
    """The defaults are part of the interface: a strategy relies on them."""
    said, rest = parse_config(None, {})
    assert rest == {}
    assert said.gateway is None
    assert said.ws == WsSettings()
    assert (said.ws.raise_after_s, said.ws.take_over_s, said.ws.buffer.rows) == (60, 60, 10_000)
    assert (said.ws.raise_on_disconnect, said.ws.live_objects) == (False, False)
    assert (said.ws.compress, said.ws.quarantine) == (0, 100)
    assert said.proxies.for_sockets == SocketProxy(None, None)


def test_ccxt_gets_its_own_keys_and_none_of_ours() -> None:
    """A key that reaches ccxt becomes an attribute there, so ours must not."""
    raw = {
        "apiKey": "k", "enableRateLimit": True, "options": {"defaultType": "swap"},
        "newUpdates": False, "rateLimit": 50, "verbose": False, "cafile": "/ca.pem",
        "ws": {"raise_after_s": 0}, "gateway": False, "account": "hedge",
    }  # fmt: skip
    before = dict(raw)
    said, rest = parse_config(raw, {})
    assert set(rest) == set(raw) - {"ws", "gateway", "account"}
    assert raw == before
    assert (said.account, said.cafile, said.ws.raise_after_s) == ("hedge", "/ca.pem", 0)


@pytest.mark.parametrize(
    "raw",
    [
        {"number": float}, {"handle_message": print}, {"log": print}, {"precisionMode": 4},
        {"streaming": {"keepAlive": 5000}}, {"has": {"watchTrades": None}}, {"ws": None},
        {"validateServerSsl": True, "verify": True}, {"testnet": True}, {"http_proxy": None},
    ],
)  # fmt: skip
def test_whatever_ccxt_takes_is_taken(raw: dict[str, Any]) -> None:
    """Old bots pass attributes of ccxt's class, and replace its hooks by functions."""
    assert parse_config(raw, {})[1] == {k: v for k, v in raw.items() if k != "ws"}


def test_keys_of_a_subclass_are_taken_when_named() -> None:
    """What `describe()` holds becomes an attribute in ccxt; a subclass may add to it."""
    raw = {"myDesk": 7}
    assert parse_config(raw, {}, also={"myDesk": 7})[1] == raw


# --- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {"ws": {"heartbeet": 1}},
            'unknown option "heartbeet" in {"ws": ...}: did you mean "heartbeat"?',
        ),
        (
            {"ws": {"heartbeat": {"evry_s": 1}}},
            'unknown option "evry_s" in {"ws": {"heartbeat": ...}}: did you mean "every_s"?',
        ),
        (
            {"ws": {"buffer": {"bytes": 1}}},
            'unknown option "bytes" in {"ws": {"buffer": ...}}: the options there are rows',
        ),
        ({"apikey": "x"}, 'unknown option "apikey": did you mean "apiKey"?'),
        ({"wallet_address": "x"}, 'unknown option "wallet_address": did you mean "walletAddress"?'),
        ({"colour": 1}, 'unknown option "colour": neither unified_ws nor ccxt has it'),
        ({5: 1}, 'unknown option "5": neither unified_ws nor ccxt has it'),
        (
            {"symbol": "BTC/USDT"},
            'option "symbol" is a method of ccxt and takes a function that replaces it',
        ),
        (
            {"raise_after_s": 5},
            'option "raise_after_s" belongs in {"ws": {"raise_after_s": ...}}',
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_nearest(raw: dict[str, Any], expected: str) -> None:
    """A misspelt option that is ignored is found out on the day it was needed."""
    assert sentence(raw) == expected


@pytest.mark.parametrize(
    ("ws", "expected"),
    [
        ({"heartbeat": True}, '"heartbeat" in {"ws": ...} must be a number of seconds or a dict'),
        ({"heartbeat": {"every_s": 0}}, '"every_s" in {"ws": {"heartbeat": ...}} must be greater'),
        ({"heartbeat": {"by": "x"}}, '"by" in {"ws": {"heartbeat": ...}} must be \'server\''),
        ({"backoff": 3}, '"backoff" in {"ws": ...} must be a dict'),
        ({"backoff": {"cap_s": "9"}}, '"cap_s" in {"ws": {"backoff": ...}} must be a number'),
        ({"limits": {"messages": {"n": 1}}}, '"per_s" is missing in {"ws": {"limits": {"messages'),
        ({"buffer": {"rows": 1.5}}, '"rows" in {"ws": {"buffer": ...}} must be a whole number'),
        ({"compress": 7}, '"compress" in {"ws": ...} must be 0 or 15'),
        ({"raise_on_disconnect": "y"}, '"raise_on_disconnect" in {"ws": ...} must be True or'),
        ({"raise_after_s": -1}, '"raise_after_s" in {"ws": ...} must be greater than or equal'),
        ({"quarantine": None}, '"quarantine" in {"ws": ...} must be a whole number'),
        ({"headers": []}, '"headers" in {"ws": ...} must be a dict'),
        ({"options": {"headers": {"a": 1}}}, '"a" in {"ws": {"options": {"headers": ...}}} must b'),
        (7, '"ws" must be a dict'),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(ws: object, expected: str) -> None:
    """The sentence is enough to mend it: no manual needed."""
    assert sentence({"ws": ws}).startswith(f"option {expected}")


def test_a_wrong_value_is_never_shown() -> None:
    """A header may hold a key; neither the sentence nor its cause may print it."""
    with pytest.raises(ConfigError) as caught:
        parse_config({"ws": {"headers": {"Authorization": ["s3cret"]}}}, {})
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"


def test_the_error_is_a_bad_request_that_carries_its_data() -> None:
    """Callers catch ccxt's classes; tools read the attributes."""
    with pytest.raises(ccxt.BadRequest) as caught:
        parse_config({"ws": {"buffer": {"row": 1}}}, {})
    error: Any = caught.value
    assert (error.key, error.place, error.nearest) == ("row", ("ws", "buffer"), ("rows",))


@pytest.mark.parametrize("key", ["verify", "validateServerSsl"])
def test_tls_cannot_be_switched_off(key: str) -> None:
    """ccxt.pro lets anybody in between read the keys; we name the way that is safe."""
    assert sentence({key: False}) == (
        f'option "{key}" cannot be switched off, TLS is always verified: '
        'name the authority to trust with "cafile"'
    )


# --- gateway -------------------------------------------------------------------------------


def test_the_gateway_comes_from_the_option_then_the_environment() -> None:
    """A test run sets the environment once; `False` is the way to be sure of going direct."""
    url = "http://127.0.0.1:8080"
    assert settings({"gateway": url + "/"}, UNIFIED_WS_GATEWAY="http://x").gateway == Gateway(url)
    assert settings({}, UNIFIED_WS_GATEWAY=url).gateway == Gateway(url)
    assert settings({"gateway": None}, UNIFIED_WS_GATEWAY=url).gateway == Gateway(url)
    assert settings({"gateway": False}, UNIFIED_WS_GATEWAY=url).gateway is None
    assert settings({}, UNIFIED_WS_GATEWAY="").gateway is None


def test_the_environment_is_the_process_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the argument the real variable counts."""
    monkeypatch.setenv("UNIFIED_WS_GATEWAY", "https://relay.example")
    assert parse_config({})[0].gateway == Gateway("https://relay.example")


@pytest.mark.parametrize(
    "bad",
    ["127.0.0.1:8080", "ws://h", "http://", "http://u:p@h", "http://h/path", "http://h?q=1",
     "http://h:x", "http://h:0", 8080, True],
)  # fmt: skip
def test_a_gateway_must_be_the_address_of_a_host(bad: object) -> None:
    """A path or a login in it would silently be lost in the rewriting."""
    demand = "must be http://host[:port] or https://host[:port], without user, path or query"
    assert sentence({"gateway": bad}) == f'option "gateway" {demand}'
    if isinstance(bad, str):
        expected = f'environment variable "UNIFIED_WS_GATEWAY" {demand}'
        assert sentence({}, UNIFIED_WS_GATEWAY=bad) == expected


def test_settings_can_be_logged() -> None:
    """Passwords of proxies and values of headers stay out of every repr."""
    raw = {
        "httpProxy": "http://me:hunter2@h:1",
        "ws": {"headers": {"X": "s3cret"}, "options": {"headers": {"Y": "s3cret"}}},
        "options": {"ws": {"headers": {"Z": "s3cret"}}},
    }
    said = settings(raw)
    shown = f"{said!r} {said} {said.proxies!r} {said.proxies.for_sockets!r} {said.ws!r}"
    assert "hunter2" not in shown
    assert "s3cret" not in shown
    assert "http://***@h:1" in shown


# --- sockets -------------------------------------------------------------------------------


def test_headers_of_sockets_come_from_all_places_ours_last() -> None:
    """ccxt.pro reads `options["ws"]`; code that sets it there keeps working."""
    raw = {
        "options": {"ws": {"headers": {"A": "1", "B": "1"}, "options": {"headers": {"B": "2"}}}},
        "ws": {"options": {"headers": {"C": "3", "D": "3"}}, "headers": {"D": "4"}},
    }
    assert settings(raw).headers == {"A": "1", "B": "2", "C": "3", "D": "4"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"options": {"ws": {"compress": 15}}}, 15),
        ({"options": {"ws": {"compress": False}}}, 0),
        ({"options": {"ws": {"compress": 15}}, "ws": {"compress": 0}}, 0),
        ({"options": {"ws": None}}, 0),
        ({"ws": {"compress": 15}}, 15),
    ],
)
def test_compression_follows_ccxt_unless_we_are_told(raw: dict[str, Any], expected: int) -> None:
    """The one key in ccxt's place that changes what is sent on the wire."""
    assert settings(raw).ws.compress == expected


VENUE = Venue(
    id="venue",
    ccxt_id="venue",
    endpoints={
        "a": Endpoint(live="wss://a", heartbeat=Heartbeat(by="message", every_s=20, timeout_s=8)),
        "b": Endpoint(live="wss://b", limits=Limits(connections=5, frame_bytes=99)),
    },
    kinds=frozenset({Kind.TRADES}),
    backoff=Backoff(cap_s=90),
)


def test_overriding_touches_only_the_fields_that_were_named() -> None:
    """The user lowers one number; everything else stays the venue's own fact."""
    ws = {
        "heartbeat": {"every_s": 5},
        "limits": {"connections": None, "messages": {"n": 3, "per_s": 1}},
        "backoff": {"base_s": 2},
    }
    venue = override(VENUE, settings({"ws": ws}))
    a, b = venue.endpoints["a"], venue.endpoints["b"]
    assert a.heartbeat == Heartbeat(by="message", every_s=5, timeout_s=8)
    assert b.heartbeat == Heartbeat(every_s=5)
    assert b.limits == Limits(connections=None, frame_bytes=99, messages=Window(n=3, per_s=1))
    assert venue.backoff == Backoff(cap_s=90, base_s=2)
    assert VENUE.endpoints["a"].heartbeat.every_s == 20


def test_a_number_for_the_heartbeat_is_its_interval() -> None:
    """The commonest wish takes one number."""
    venue = override(VENUE, settings({"ws": {"heartbeat": 3}}))
    assert venue.endpoints["a"].heartbeat == Heartbeat(by="message", every_s=3, timeout_s=8)


def test_nothing_overridden_leaves_the_venue_as_declared() -> None:
    """The common case changes no fact."""
    assert override(VENUE, settings({})) == VENUE
    assert override(VENUE, settings({"ws": {"heartbeat": None}})) == VENUE
