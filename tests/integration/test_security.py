"""Secrets stay secret, and TLS stays verified."""

from __future__ import annotations

import json
import logging
from typing import Any

import ccxt
import pytest

import unified_ws
from tests.integration.conftest import Make
from tests.integration.test_consumers import BTC, first
from unified_ws.testing import FakeVenue

KEY, SECRET, PASSWORD = "the-api-key-12345", "the-secret-67890", "the-password-abc"
CREDENTIALS = {"apiKey": KEY, "secret": SECRET, "password": PASSWORD}


def _without_secrets(text: str) -> None:
    for secret in (KEY, SECRET, PASSWORD, "proxy-password"):
        assert secret not in text


async def test_nothing_that_is_shown_holds_a_secret(
    make: Make,
    paused: FakeVenue,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Verbose output, logs, repr, status, errors: all were searched for the keys."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    ex = make(**CREDENTIALS, verbose=True)
    shown: list[Any] = []
    ex.on("*", shown.append)
    await ex.load_markets()
    await first(ex, paused)
    with pytest.raises(ccxt.BaseError) as raised:
        await ex.fetch_balance()
    await paused.inject(json.dumps({"oops": "x"}))
    out = capsys.readouterr()

    assert "btcusdt@trade" in out.out  # it did print the frames
    assert "RequestHeaders" in out.out  # and ccxt's requests
    for text in (
        out.out, out.err, caplog.text, repr(ex), str(ex), repr(ex.status()), repr(shown),
        str(ex.explain("watch_trades", BTC)), str(raised.value), repr(ex._settings),
        repr(ex._client), repr(ex.quarantined()),
    ):  # fmt: skip
        _without_secrets(text)


async def test_credentials_do_not_pass_a_plain_gateway() -> None:
    """Neither https nor loopback: refused before anything is sent."""
    ex = unified_ws.exchange("binance", {**CREDENTIALS, "gateway": "http://192.0.2.1:8080"})
    with pytest.raises(ccxt.AuthenticationError) as raised:
        await ex.fetch_balance()
    await ex.close()

    assert "neither https nor loopback" in str(raised.value)
    _without_secrets(str(raised.value))


@pytest.mark.parametrize("key", ["verify", "validateServerSsl"])
def test_tls_verification_cannot_be_switched_off(key: str) -> None:
    """The sentence names the key and the way to trust an authority of one's own."""
    with pytest.raises(ccxt.BadRequest) as raised:
        unified_ws.exchange("binance", {key: False})

    assert key in str(raised.value)
    assert "cafile" in str(raised.value)


def test_keys_are_never_read_from_the_environment_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key in the environment is nobody's consent."""
    monkeypatch.setenv("BINANCE_API_KEY", KEY)

    assert not unified_ws.exchange("binance").rest.apiKey
