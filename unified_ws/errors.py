"""The exception tree. Each of ours is also the ccxt class of that meaning.

* UnifiedWSError
    * AdapterError                 our mapping of a venue is wrong or out of date
        * DecodeError              a frame did not have the declared shape
    * VenueError                   the venue said no
        * SubscribeRejected        (ccxt.BadRequest) it refused one topic
        * LoginRejected            (ccxt.AuthenticationError) final: the same key cannot help
    * StreamDown                   (ccxt.NetworkError) an outage outlasted `raise_after_s`
    * Disconnected                 (ccxt.NetworkError) raised only with `raise_on_disconnect`
    * DialFailed                   a connection could not be made; `hop` says where
        * Unreachable              (ccxt.ExchangeNotAvailable) DNS, TCP, HTTP status
        * DialTimeout              (ccxt.RequestTimeout) a hop did not answer in time
        * Banned                   (ccxt.DDoSProtection) HTTP 418 or 429
        * Forbidden                (ccxt.PermissionDenied) HTTP 401, 403, 451
        * ProxyRefused             (ccxt.NetworkError) the proxy would not connect us
        * BadCertificate           (ccxt.NetworkError) TLS could not be verified
    * WrongLoop                    (ccxt.ExchangeError) used from another event loop
    * ConsumerOverrun              (ccxt.ExchangeError) a `lossless` reader fell out of its bound

The ccxt classes themselves are importable from here, being the very same objects.
"""

from __future__ import annotations

import ccxt
from ccxt.base import errors as ccxt_errors
from ccxt.base.errors import (  # the very classes, importable from here
    AccountNotEnabled,
    AccountSuspended,
    AddressPending,
    ArgumentsRequired,
    AuthenticationError,
    BadRequest,
    BadResponse,
    BadSymbol,
    BaseError,
    CancelPending,
    ChecksumError,
    ContractUnavailable,
    DDoSProtection,
    DuplicateOrderId,
    ExchangeClosedByUser,
    ExchangeError,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidAddress,
    InvalidNonce,
    InvalidOrder,
    InvalidProxySettings,
    ManualInteractionNeeded,
    MarginModeAlreadySet,
    MarketClosed,
    NetworkError,
    NoChange,
    NotSupported,
    NullResponse,
    OnMaintenance,
    OperationFailed,
    OperationRejected,
    OrderImmediatelyFillable,
    OrderNotCached,
    OrderNotFillable,
    OrderNotFound,
    PermissionDenied,
    RateLimitExceeded,
    RequestTimeout,
    RestrictedLocation,
    UnsubscribeError,
)  # fmt: skip


class UnifiedWSError(Exception):
    """Base class of every error that this library adds to ccxt's."""


class AdapterError(UnifiedWSError, ccxt.ExchangeError):
    """An adapter does not fit its venue, or the installed ccxt."""


class DecodeError(AdapterError):
    """A frame did not have the shape that the adapter declares."""

    def __init__(self, venue: str, reason: str, frame: bytes) -> None:
        super().__init__(f"{venue}: {reason}; frame starts {frame[:100]!r}")
        self.venue = venue
        self.reason = reason
        self.frame = frame


class VenueError(UnifiedWSError, ccxt.ExchangeError):
    """The venue said no; `reason` is its own text."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class SubscribeRejected(VenueError, ccxt.BadRequest):
    """The venue refused one topic."""


class LoginRejected(VenueError, ccxt.AuthenticationError):
    """The venue refused the credentials; retrying with the same ones cannot help."""


class Disconnected(UnifiedWSError, ccxt.NetworkError):
    """The connection was lost; healing goes on. Only raised with `raise_on_disconnect`."""


class StreamDown(UnifiedWSError, ccxt.NetworkError):
    """An outage outlasted `raise_after_s`; healing goes on and the next call continues.

    Attributes:
        reason: What is wrong, naming the hop.
        age_s: How long the stream has been down, in seconds.
        retry_in_s: When the next attempt is due, in seconds; None while one is running.
    """

    def __init__(self, message: str, *, reason: str, age_s: float, retry_in_s: float | None) -> None:
        super().__init__(message)
        self.reason = reason
        self.age_s = age_s
        self.retry_in_s = retry_in_s


class DialFailed(UnifiedWSError, ccxt.NetworkError):
    """A connection could not be made.

    Attributes:
        hop: dns, tcp, proxy, tls, http, timeout or socket.
        status: The HTTP status of a refused handshake, else None.
        retry_after_s: What the venue asked us to wait, else None.
        final: True where trying again cannot help until somebody acts.
    """

    def __init__(
        self,
        message: str,
        *,
        hop: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(message)
        self.hop = hop
        self.status = status
        self.retry_after_s = retry_after_s
        self.final = final


class Unreachable(DialFailed, ccxt.ExchangeNotAvailable):
    """DNS, TCP or an HTTP status stood in the way."""


class DialTimeout(DialFailed, ccxt.RequestTimeout):
    """A hop did not answer in time."""


class Banned(DialFailed, ccxt.DDoSProtection):
    """The venue wants fewer requests: HTTP 418 or 429."""


class Forbidden(DialFailed, ccxt.PermissionDenied):
    """The venue does not serve this address or key: HTTP 401, 403, 451."""


class ProxyRefused(DialFailed):
    """The configured proxy would not connect us; there is no silent direct connection."""


class BadCertificate(DialFailed):
    """TLS could not be verified; it is never switched off."""


class WrongLoop(UnifiedWSError, ccxt.ExchangeError):
    """The object was used from another event loop than the one it lives in."""


class ConsumerOverrun(UnifiedWSError, ccxt.ExchangeError):
    """A consumer fell further behind than its buffer; `missed` rows were dropped for it."""

    def __init__(self, message: str, missed: int) -> None:
        super().__init__(message)
        self.missed = missed


CCXT_ERRORS: dict[str, type[BaseException]] = {
    name: getattr(ccxt_errors, name)
    for name in ccxt_errors.__all__
    if isinstance(getattr(ccxt_errors, name), type)
}
"""Every error class of ccxt by name; `unified_ws.NetworkError is ccxt.NetworkError`."""

globals().update(CCXT_ERRORS)

__all__ = [
    "UnifiedWSError", "AdapterError", "DecodeError", "VenueError", "SubscribeRejected",
    "LoginRejected", "Disconnected", "StreamDown", "DialFailed", "Unreachable", "DialTimeout",
    "Banned", "Forbidden", "ProxyRefused", "BadCertificate", "WrongLoop", "ConsumerOverrun",
    "AccountNotEnabled", "AccountSuspended", "AddressPending", "ArgumentsRequired",
    "AuthenticationError", "BadRequest", "BadResponse", "BadSymbol", "BaseError", "CancelPending",
    "ChecksumError", "ContractUnavailable", "DDoSProtection", "DuplicateOrderId",
    "ExchangeClosedByUser", "ExchangeError", "ExchangeNotAvailable", "InsufficientFunds",
    "InvalidAddress", "InvalidNonce", "InvalidOrder", "InvalidProxySettings",
    "ManualInteractionNeeded", "MarginModeAlreadySet", "MarketClosed", "NetworkError", "NoChange",
    "NotSupported", "NullResponse", "OnMaintenance", "OperationFailed", "OperationRejected",
    "OrderImmediatelyFillable", "OrderNotCached", "OrderNotFillable", "OrderNotFound",
    "PermissionDenied", "RateLimitExceeded", "RequestTimeout", "RestrictedLocation",
    "UnsubscribeError",
]  # fmt: skip
# A newer ccxt may have more of them.
__all__ += [name for name in CCXT_ERRORS if name not in __all__]
