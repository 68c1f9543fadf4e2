"""Where a product is: its base URL from the environment or the toolkit, made exact or refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from definable.errors import UsageError
from definable.spec.toolkit import Toolkit


def base_url(toolkit: Toolkit, environ: Mapping[str, str]) -> str:
    """Return the base URL without a slash at its end, with the toolkit's path at its end.

    UsageError when it is no http(s) URL, carries a user, a query or a fragment, goes beyond the path, or is
    plain http to another machine: the key would travel in the clear.
    """
    given = environ.get(toolkit.base_url.env, "").strip()
    text = given or toolkit.base_url.default
    name = toolkit.base_url.env if given else f"base_url of toolkit {toolkit.toolkit!r}"
    url = _split(text, name, f"write it like {toolkit.base_url.default}")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise UsageError(
            f"{name}={text!r} is plain http, and the key would travel in the clear", hint="use https"
        )
    return f"{url.scheme}://{url.netloc}{_path(url.path, toolkit.base_url.path, text, name)}"


def web(toolkit: Toolkit, base: str) -> str:
    """Return the origin of the product's pages for people: the base URL without the API's path."""
    return base.removesuffix(toolkit.base_url.path)


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str, name: str, hint: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise UsageError(f"{name}={text!r} is not a URL: {error}", hint=hint) from error
    if url.username is not None or url.password is not None:
        raise UsageError(f"{name} carries a user or password before the host", hint=hint)
    if url.scheme not in ("http", "https") or not url.hostname or not text.isprintable() or " " in text:
        raise UsageError(f"{name}={text!r} is not an http(s) URL", hint=hint)
    if url.query or url.fragment:
        raise UsageError(f"{name}={text!r} has a query or fragment, which a base URL cannot have", hint=hint)
    return url


def _path(path: str, wanted: str, text: str, name: str) -> str:
    path = path.rstrip("/")
    if not wanted or path.endswith(wanted):
        return path
    if f"{wanted}/" in path:
        end = text[: text.index(f"{wanted}/") + len(wanted)]
        raise UsageError(f"{name}={text!r} goes beyond {wanted}", hint=f"use {end}")
    return path + wanted
