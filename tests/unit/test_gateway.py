"""The relay that all traffic can be sent through: how addresses change, and when keys may pass."""

from __future__ import annotations

import pytest

from unified_ws.gateway import Gateway


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v3/depth?a=b&c=%20", "/api.example.com/v3/depth?a=b&c=%20"),
        ("https://api.example.com:8443/x", "/api.example.com:8443/x"),
        ("wss://stream.example.com:9443/ws/a@b", "/stream.example.com:9443/ws/a@b"),
        ("wss://stream.example.com", "/stream.example.com"),
        ("wss://stream.example.com/stream?streams=a/b", "/stream.example.com/stream?streams=a/b"),
    ],
)
def test_urls_keep_everything_but_their_scheme(url: str, expected: str) -> None:
    """The relay must be able to rebuild the original, byte by byte."""
    gateway = Gateway("http://127.0.0.1:8080")
    rest, socket = gateway.rest_url(url), gateway.socket_url(url)
    assert rest == "http://127.0.0.1:8080" + expected
    assert socket == "ws://127.0.0.1:8080" + expected
    assert gateway.rest_url(rest) == rest
    assert gateway.socket_url(socket) == socket
    assert Gateway("https://r").socket_url(url) == "wss://r" + expected


@pytest.mark.parametrize(
    ("base", "allowed"),
    [
        ("https://relay.example.com", True), ("http://localhost:1", True),
        ("http://127.0.0.1", True), ("http://127.9.9.9", True), ("http://[::1]:80", True),
        ("http://relay.example.com", False), ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
    ],
)  # fmt: skip
def test_keys_pass_only_encrypted_or_on_this_machine(base: str, allowed: bool) -> None:
    """An API key in the clear on a network belongs to everybody on it."""
    assert Gateway.parse(base).allows_credentials is allowed
