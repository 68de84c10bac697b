"""When nothing has been delivered yet, failure belongs to the caller, in one sentence."""

from __future__ import annotations

import asyncio
import datetime as dt
import selectors
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ccxt
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import unified_ws
from tests.integration.conftest import Make
from tests.integration.test_consumers import BTC, first, ids
from unified_ws.testing import FakeVenue

NOBODY = "http://127.0.0.1:1"


async def fails(ex: unified_ws.Exchange, method: str = "watch_trades") -> BaseException:
    """Return what a first call raises; it must raise within its time."""
    with pytest.raises(ccxt.BaseError) as raised:
        await asyncio.wait_for(getattr(ex, method)(BTC), 8)
    await ex.close()
    error: BaseException = raised.value
    return error


async def test_no_network() -> None:
    """Nobody listens there: the TCP hop is named."""
    error = await fails(unified_ws.exchange("binance", {"gateway": NOBODY}))

    assert isinstance(error, ccxt.ExchangeNotAvailable)
    assert str(error) == (
        "binance: cannot connect to 127.0.0.1:1 (TCP: connection refused): "
        "check the network connection"
    )


async def test_dns_failure() -> None:
    """A name that does not resolve: the DNS hop is named."""
    error = await fails(unified_ws.exchange("binance", {"gateway": "http://nowhere.invalid"}))

    assert isinstance(error, ccxt.ExchangeNotAvailable)
    assert str(error) == (
        "binance: cannot resolve nowhere.invalid (DNS): check the network connection"
    )


async def test_refused_proxy(paused: FakeVenue) -> None:
    """The proxy is down: it is named, and nothing goes direct."""
    config = {"gateway": paused.gateway, "httpsProxy": "http://user:hidden@127.0.0.1:1"}
    error = await fails(unified_ws.exchange("binance", config))

    assert isinstance(error, unified_ws.ProxyRefused)
    assert "cannot connect through the proxy http://***@127.0.0.1:1" in str(error)
    assert "there is no direct fallback" in str(error)
    assert paused.stats.rest == []
    assert paused.stats.connections == 0


async def test_a_refused_proxy_for_sockets_only(paused: FakeVenue) -> None:
    """`wsProxy` is used by sockets and by nothing else."""
    config = {"gateway": paused.gateway, "wsProxy": NOBODY, "timeout": 500}
    error = await fails(unified_ws.exchange("binance", config))

    assert isinstance(error, unified_ws.ProxyRefused)
    assert paused.stats.rest
    assert paused.stats.connections == 0


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (451, "Forbidden", "answered HTTP 451 (Unavailable For Legal Reasons): the venue does not"),
        (403, "Forbidden", "answered HTTP 403 (Forbidden): requests from here are blocked"),
        (404, "Unreachable", "answered HTTP 404 (Not Found): no such address"),
    ],
)
@pytest.mark.parametrize("where", ["socket", "rest"])
async def test_a_status_that_is_final_raises_at_once(
    make: Make, paused: FakeVenue, status: int, kind: str, sentence: str, where: str
) -> None:
    """Waiting would not help: somebody has to act."""
    ex = make()
    if where == "rest":
        paused.fail_rest(".*", status, "<html>no</html>", times=100)
    else:
        paused.refuse_sockets(status, times=100)
    began = asyncio.get_running_loop().time()
    error = await fails(ex)

    assert isinstance(error, getattr(unified_ws, kind))
    assert sentence in str(error)
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_status_that_may_pass_is_tried_until_the_timeout(
    make: Make, paused: FakeVenue
) -> None:
    """503 while starting: it is tried again, and named when the time is over."""
    ex = make(timeout=400, ws={"backoff": {"base_s": 0.01, "cap_s": 0.02}})
    paused.refuse_sockets(503, times=1000)
    error = await fails(ex)

    assert isinstance(error, ccxt.ExchangeNotAvailable)
    assert "answered HTTP 503 (Service Unavailable)" in str(error)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private


@pytest.fixture
async def tls_relay(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A TLS server with a self-signed certificate that answers everything with 503."""
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
    await site.start()
    server: Any = site._server
    yield f"https://localhost:{server.sockets[0].getsockname()[1]}", cert
    await runner.cleanup()


async def test_a_self_signed_certificate_is_refused(tls_relay: tuple[str, Path]) -> None:
    """TLS is verified always; the sentence says how to trust an authority."""
    gateway, _ = tls_relay
    error = await fails(unified_ws.exchange("binance", {"gateway": gateway}))

    assert isinstance(error, unified_ws.BadCertificate)
    assert "the TLS certificate of localhost could not be verified" in str(error)
    assert 'pass the authority\'s file as "cafile"' in str(error)


async def test_cafile_trusts_an_authority(tls_relay: tuple[str, Path]) -> None:
    """With `cafile` the same server is reached, and its own answer shows."""
    gateway, cert = tls_relay
    error = await fails(unified_ws.exchange("binance", {"gateway": gateway, "cafile": str(cert)}))

    assert "answered HTTP 503" in str(error)


class Skipping(selectors.DefaultSelector):
    """Wait a moment for the sockets; if they are silent, let the clock jump to the next timer."""

    skipped = 0.0
    moment = 0.002

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready."""
        if timeout is None or timeout <= self.moment:
            return super().select(timeout)
        events = super().select(self.moment)
        if not events:
            self.skipped += timeout - self.moment
        return events


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop that spends no time on waiting."""

    def __init__(self) -> None:
        self._clock = Skipping()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the clock that jumps."""
        return super().time() + float(self._clock.skipped)


def test_an_outage_of_ten_minutes() -> None:
    """The call that waits survives it, dials at a bounded rate, and misses nothing."""

    async def main() -> None:
        async with (
            FakeVenue("binance", seed=2, paused=True, dials=0, messages_per_s=0) as venue,
            unified_ws.exchange(
                "binance", {"gateway": venue.gateway, "ws": {"raise_after_s": 0}}
            ) as ex,
        ):
            loop = asyncio.get_running_loop()
            await ex.load_markets()
            start = (await first(ex, venue))[-1]["id"]
            dials: list[Any] = []
            ex.on("disconnected", dials.append)
            call = asyncio.ensure_future(ex.watch_trades(BTC))
            await asyncio.sleep(0)
            venue.refuse_sockets(503, times=10_000)
            await venue.drop()
            over = loop.time() + 600
            await venue.step(20)
            await asyncio.wait([call], timeout=600)
            assert loop.time() >= over - 1
            assert not call.done()
            assert ex.status()["streams"][0]["verdict"] == "down"
            assert "answered HTTP 503" in str(ex.explain("watch_trades", BTC))
            assert 3 <= len(dials) <= 120
            venue.refuse_sockets(503, times=0)
            rows = await call
            assert [t["id"] for t in rows] == ids(venue, since=start)[: len(rows)]
            assert len(rows) > 10

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(main())
