"""Every venue goes to the environments that it declares, and refuses the others by name."""

from __future__ import annotations

import pytest

import unified_ws
from unified_ws.registry import adapters

METHODS = {"testnet": "set_sandbox_mode", "demo": "enable_demo_trading"}


@pytest.mark.parametrize("environment", METHODS)
@pytest.mark.parametrize("venue", unified_ws.exchanges)
def test_an_environment_is_declared_or_refused(venue: str, environment: str) -> None:
    """REST and sockets move together and back; a venue without one stays where it was."""
    declared = {
        name: getattr(endpoint, environment)
        for name, endpoint in adapters()[venue].venue.endpoints.items()
    }
    ex = unified_ws.exchange(venue, {"gateway": False})
    live = {name: ex.socket_url(name) for name in declared}
    choose = getattr(ex, METHODS[environment])
    if not any(declared.values()):
        with pytest.raises(unified_ws.NotSupported, match=f"^{venue} has no {environment}$"):
            choose(True)
        assert {name: ex.socket_url(name) for name in declared} == live
        return
    choose(True)
    assert ex.status()["environment"] == environment
    for name, url in declared.items():
        if url is None:
            with pytest.raises(unified_ws.NotSupported, match=f"{venue} has no {environment}"):
                ex.socket_url(name)
        else:
            assert ex.socket_url(name) == url
    choose(False)
    assert {name: ex.socket_url(name) for name in declared} == live
