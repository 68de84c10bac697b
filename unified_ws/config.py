"""The user's configuration beyond ccxt's own keys: `gateway`, `account` and `ws`.

`parse_config` takes one dict as ccxt.pro does, keeps what is ours and hands the rest to ccxt. It
refuses what it does not know: a misspelt option that is silently ignored costs somebody a night.
Each error is one sentence that names the key and its place, and never shows a value.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from unified_ws.ccxt_ids import constructor_keys
from unified_ws.errors import CCXT_ERRORS, UnifiedWSError
from unified_ws.facts import Backoff, Facts, Heartbeat, Limits, Venue, Window
from unified_ws.gateway import ENVIRONMENT, Gateway
from unified_ws.proxies import Proxies, SocketProxy, redact_url
from unified_ws.types import Config

if TYPE_CHECKING:

    class _BadRequest(Exception):
        """ccxt is untyped: this is what the checker sees of `ccxt.BadRequest`."""

else:
    _BadRequest = CCXT_ERRORS["BadRequest"]

F = TypeVar("F", bound=Facts)
_OURS = ("gateway", "account", "ws")


class ConfigError(UnifiedWSError, _BadRequest):
    """The configuration holds something that cannot be used; also a `ccxt.BadRequest`.

    Attributes:
        key: The name of the option.
        place: The keys that lead to it, outermost first.
        nearest: Known names that look like `key`, best first.
    """

    def __init__(
        self, message: str, *, key: str, place: tuple[str, ...] = (), nearest: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.key = key
        self.place = place
        self.nearest = nearest


class Buffer(Facts):
    """`rows`: how many rows a stream keeps for the consumers that are behind."""

    rows: int = Field(default=10_000, gt=0)


class SocketOptions(Facts):
    """ccxt's place for headers of sockets."""

    headers: Mapping[str, str] = Field(default={}, repr=False)


class WsSettings(BaseModel):
    """What `{"ws": ...}` says.

    heartbeat, backoff, limits: override the fields they name of what the venue declares, on
        every endpoint; a number for `heartbeat` means its `every_s`.
    raise_after_s: an outage longer than this raises `StreamDown` in waiting calls; 0 = never.
    raise_on_disconnect: every lost connection raises, as in ccxt.pro.
    take_over_s: how long the position of a finished reader can be taken over by a new task.
    live_objects: hand out the live order book instead of a snapshot.
    compress: window bits of permessage-deflate to offer; 0 offers none.
    freeze: keep the garbage collector from walking ccxt and the markets while streams are open.
    quarantine: how many frames that could not be decoded are kept.
    headers: sent with the opening handshake of every socket.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    heartbeat: Heartbeat | None = None
    backoff: Backoff | None = None
    limits: Limits | None = None
    buffer: Buffer = Buffer()
    raise_after_s: float = Field(default=60.0, ge=0)
    raise_on_disconnect: bool = False
    take_over_s: float = Field(default=60.0, ge=0)
    live_objects: bool = False
    compress: Literal[0, 15] = 0
    freeze: bool = True
    quarantine: int = Field(default=100, ge=0)
    headers: Mapping[str, str] = Field(default={}, repr=False)
    options: SocketOptions = SocketOptions()

    @field_validator("heartbeat", mode="before")
    @classmethod
    def _number_is_an_interval(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"every_s": value}
        if value is not None and not isinstance(value, Mapping | Heartbeat):
            raise ValueError("must be a number of seconds or a dict")
        return value


class Settings(BaseModel):
    """Everything of the configuration that is not only ccxt's business; `repr` is safe to log.

    `headers` are those of every socket, from ccxt's places and ours. `cafile` is a bundle of
    further authorities to trust, for REST and sockets alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    gateway: Gateway | None = None
    account: str | None = None
    ws: WsSettings = WsSettings()
    proxies: Proxies = Proxies()
    headers: Mapping[str, str] = Field(default={}, repr=False)
    cafile: str | None = None


def parse_config(
    raw: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    also: Collection[str] = (),
) -> tuple[Settings, dict[str, Any]]:
    """Split a configuration into our settings and the dict that ccxt is constructed with.

    Args:
        raw: The user's dict; it is not changed.
        environ: Where `UNIFIED_WS_GATEWAY` is looked up; the process's own when left out.
        also: Further keys that ccxt may get, such as those of a subclass's `describe()`.

    Raises:
        ConfigError: A key is unknown or its value cannot be used.
        InvalidProxySettings: Proxies contradict each other, or cannot carry a socket.
    """
    config = dict(raw or {})
    _check_names(config, also)
    for key in ("verify", "validateServerSsl"):
        if config.get(key, True) is not True:
            raise ConfigError(
                f'option "{key}" cannot be switched off, TLS is always verified: '
                'name the authority to trust with "cafile"',
                key=key,
            )
    ours = {key: config.pop(key) for key in _OURS if key in config}
    said = ours.get("ws")
    inherited = _ccxt_socket_options(config)
    try:
        settings = Settings.model_validate(
            {
                "gateway": _gateway(ours, os.environ if environ is None else environ),
                "account": ours.get("account"),
                "ws": {} if said is None else said,
                "proxies": Proxies.from_config(config),
                "cafile": config.get("cafile"),
            },
            strict=True,
        )
    except ValidationError as error:
        raise _explained(error) from error
    ws = settings.ws
    if "compress" in inherited and "compress" not in ws.model_fields_set:
        ws = ws.model_copy(update={"compress": 15 if inherited["compress"] else 0})
    headers = {**inherited["headers"], **ws.options.headers, **ws.headers}
    return settings.model_copy(update={"ws": ws, "headers": headers}), config


def override(venue: Venue, settings: Settings) -> Venue:
    """Return `venue` with the facts that the user's `{"ws": ...}` names in place of its own."""
    ws = settings.ws
    endpoints = {
        name: endpoint.model_copy(
            update={
                "heartbeat": replaced(endpoint.heartbeat, ws.heartbeat),
                "limits": replaced(endpoint.limits, ws.limits),
            }
        )
        for name, endpoint in venue.endpoints.items()
    }
    return venue.model_copy(
        update={"endpoints": endpoints, "backoff": replaced(venue.backoff, ws.backoff)}
    )


def replaced(declared: F, said: F | None) -> F:
    """Return declared facts with those that the user has said instead."""
    if said is None:
        return declared
    return declared.model_copy(update={name: getattr(said, name) for name in said.model_fields_set})


def _gateway(ours: Mapping[str, Any], environ: Mapping[str, str]) -> Gateway | None:
    said = ours.get("gateway")
    if said is False:
        return None
    name, text = ("gateway", said) if said is not None else (ENVIRONMENT, environ.get(ENVIRONMENT))
    if text is None or text == "":
        return None
    try:
        return Gateway.parse(text)
    except ValueError as error:
        what = "option" if name == "gateway" else "environment variable"
        raise ConfigError(f'{what} "{name}" {error}', key=name) from error


def _ccxt_socket_options(config: Mapping[str, Any]) -> dict[str, Any]:
    # ccxt.pro reads the first, its manual names the second.
    options = config.get("options")
    ws = options.get("ws") if isinstance(options, Mapping) else None
    if not isinstance(ws, Mapping):
        return {"headers": {}}
    nested = ws.get("options")
    headers = [x.get("headers") for x in (ws, nested) if isinstance(x, Mapping)]
    found = {"headers": {k: v for h in headers if isinstance(h, Mapping) for k, v in h.items()}}
    return {**found, "compress": ws["compress"]} if "compress" in ws else found


def _check_names(config: Mapping[str, Any], also: Collection[str]) -> None:
    declared = Config.__annotations__
    known = constructor_keys()
    for key, value in config.items():
        if key in declared or key in known.data or key in also:
            continue
        if key in known.methods:
            if callable(value):
                continue
            raise ConfigError(
                f'option "{key}" is a method of ccxt and takes a function that replaces it',
                key=key,
            )
        if key in WsSettings.model_fields:
            raise ConfigError(
                f'option "{key}" belongs in {_place(("ws",), key)}', key=key, nearest=(key,)
            )
        raise _unknown(str(key), (), declared)


def _explained(error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False, include_context=True, include_input=False)[0]
    *outer, key = (str(part) for part in first["loc"])
    place = tuple(outer)
    if first["type"] == "extra_forbidden":
        return _unknown(key, place, _names_at(place))
    where = f" in {_place(place)}" if place else ""
    if first["type"] == "missing":
        return ConfigError(f'option "{key}" is missing{where}', key=key, place=place)
    return ConfigError(f'option "{key}"{where} {_demand(first)}', key=key, place=place)


_DEMANDS = {
    "bool_type": "must be True or False",
    "model_type": "must be a dict",
    "model_attributes_type": "must be a dict",
    "mapping_type": "must be a dict",
    "dict_type": "must be a dict",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
}


def _demand(first: Mapping[str, Any]) -> str:
    if first["type"] in _DEMANDS:
        return _DEMANDS[first["type"]]
    text = str(first["msg"]).removeprefix("Value error, ")
    return re.sub(r"^Input should be (a valid |a )?", "must be ", text)


def _names_at(place: tuple[str, ...]) -> Iterable[str]:
    models: dict[tuple[str, ...], type[BaseModel]] = {
        ("ws",): WsSettings,
        ("ws", "heartbeat"): Heartbeat,
        ("ws", "backoff"): Backoff,
        ("ws", "limits"): Limits,
        ("ws", "limits", "messages"): Window,
        ("ws", "limits", "dials"): Window,
        ("ws", "buffer"): Buffer,
        ("ws", "options"): SocketOptions,
    }
    return models[place].model_fields


def _unknown(key: str, place: tuple[str, ...], names: Iterable[str]) -> ConfigError:
    nearest = _nearest(key, names)
    if nearest:
        hint = "did you mean " + " or ".join(f'"{name}"' for name in nearest) + "?"
    elif place:
        hint = "the options there are " + ", ".join(sorted(names))
    else:
        hint = "neither unified_ws nor ccxt has it"
    where = f" in {_place(place)}" if place else ""
    return ConfigError(
        f'unknown option "{key}"{where}: {hint}', key=key, place=place, nearest=nearest
    )


def _nearest(key: str, names: Iterable[str]) -> tuple[str, ...]:
    # `api_key` must find `apiKey`: compare without case and underscores.
    by_form: dict[str, str] = {}
    for name in names:
        by_form.setdefault(name.replace("_", "").lower(), name)
    close = difflib.get_close_matches(key.replace("_", "").lower(), by_form, n=2, cutoff=0.7)
    return tuple(by_form[form] for form in close)


def _place(place: tuple[str, ...], key: str = "") -> str:
    inner = f'{{"{key}": ...}}' if key else "..."
    for part in reversed(place):
        inner = f'{{"{part}": {inner}}}'
    return inner


__all__ = [
    "Buffer",
    "ConfigError",
    "Gateway",
    "Proxies",
    "Settings",
    "SocketProxy",
    "WsSettings",
    "override",
    "parse_config",
    "redact_url",
    "replaced",
]
