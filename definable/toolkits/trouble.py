"""Every way in which the HTTP library can fail, and how far the attempt had got: foreign errors stop here."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

import httpx

from definable.calls import Cause, Phase


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer, for people and for the Verifier."""

    phase: Phase
    cause: Cause
    words: str


TABLE: dict[type[Exception], Trouble] = {
    # Nothing was written: sending again cannot do anything twice.
    httpx.PoolTimeout: Trouble(Phase.NOT_SENT, "timeout", "no free connection in time"),
    httpx.ConnectTimeout: Trouble(Phase.NOT_SENT, "timeout", "no connection in time"),
    httpx.ConnectError: Trouble(Phase.NOT_SENT, "connect", "no connection"),
    httpx.ProxyError: Trouble(Phase.NOT_SENT, "connect", "the proxy refused"),
    httpx.UnsupportedProtocol: Trouble(Phase.NOT_SENT, "connect", "this is not an http(s) address"),
    httpx.InvalidURL: Trouble(Phase.NOT_SENT, "connect", "this is not a valid address"),
    httpx.LocalProtocolError: Trouble(Phase.NOT_SENT, "connect", "the request cannot be put into HTTP"),
    httpx.CookieConflict: Trouble(Phase.NOT_SENT, "connect", "the request cannot be put into HTTP"),
    httpx.RequestNotRead: Trouble(Phase.NOT_SENT, "connect", "the request cannot be put into HTTP"),
    # Something may have arrived: nobody knows what became of it.
    httpx.WriteTimeout: Trouble(Phase.UNKNOWN, "timeout", "the request could not be written in time"),
    httpx.ReadTimeout: Trouble(Phase.UNKNOWN, "timeout", "no answer in time"),
    httpx.WriteError: Trouble(Phase.UNKNOWN, "reset", "the connection broke while the request was written"),
    httpx.ReadError: Trouble(Phase.UNKNOWN, "reset", "the connection broke before the answer was complete"),
    httpx.CloseError: Trouble(Phase.UNKNOWN, "reset", "the connection broke when it was closed"),
    httpx.RemoteProtocolError: Trouble(Phase.UNKNOWN, "reset", "the answer was cut off or is not HTTP"),
    httpx.DecodingError: Trouble(Phase.UNKNOWN, "reset", "the answer cannot be decompressed"),
    httpx.TooManyRedirects: Trouble(Phase.UNKNOWN, "reset", "redirected too often"),
    httpx.HTTPStatusError: Trouble(Phase.UNKNOWN, "reset", "the answer was refused here"),
    httpx.StreamConsumed: Trouble(Phase.UNKNOWN, "reset", "the answer was read twice"),
    httpx.StreamClosed: Trouble(Phase.UNKNOWN, "reset", "the answer was closed before it was read"),
    httpx.ResponseNotRead: Trouble(Phase.UNKNOWN, "reset", "the answer was not read"),
    # The branches of the tree, for leaves that a later version may grow.
    httpx.TimeoutException: Trouble(Phase.UNKNOWN, "timeout", "no answer in time"),
    httpx.NetworkError: Trouble(Phase.UNKNOWN, "reset", "the connection broke"),
    httpx.ProtocolError: Trouble(Phase.UNKNOWN, "reset", "the answer is not HTTP"),
    httpx.TransportError: Trouble(Phase.UNKNOWN, "reset", "the connection failed"),
    httpx.RequestError: Trouble(Phase.UNKNOWN, "reset", "the request failed"),
    httpx.HTTPError: Trouble(Phase.UNKNOWN, "reset", "the request failed"),
    httpx.StreamError: Trouble(Phase.UNKNOWN, "reset", "the answer could not be read"),
    # Our own limit on the whole attempt.
    TimeoutError: Trouble(Phase.UNKNOWN, "timeout", "no complete answer in time"),
}
"""Exception → trouble; its nearest ancestor counts. A test holds it against the library's own tree."""

CAUGHT = tuple(TABLE)


def trouble(error: Exception) -> Trouble:
    """Return what an exception of the HTTP library means, with its own words after ours."""
    known = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    cause = _connect_cause(error) if known.cause == "connect" else known.cause
    said = " ".join(str(error).split())[:200]
    return Trouble(known.phase, cause, f"{known.words}: {said}" if said else known.words)


def _connect_cause(error: BaseException) -> Cause:
    here: BaseException | None = error
    while here is not None:
        if isinstance(here, socket.gaierror):
            return "dns"
        if isinstance(here, ssl.SSLError):
            return "tls"
        here = here.__cause__ or here.__context__
    return "connect"


def check_location(response: httpx.Response) -> None:
    """Raise RemoteProtocolError for a redirect to what is no address: that is no answer in HTTP."""
    if response.has_redirect_location:
        try:
            httpx.URL(response.headers["location"])
        except httpx.InvalidURL as error:
            raise httpx.RemoteProtocolError(f"Invalid URL in location header: {error}.") from None
