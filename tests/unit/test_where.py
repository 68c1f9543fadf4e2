"""Where a product is: base URLs made exact or refused."""

from __future__ import annotations

import pytest

from definable.errors import UsageError
from definable.toolkits.where import base_url, web
from tests.hexkit import toolkit

DEFAULT = "https://app.hex.tech/api"


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        ("", DEFAULT),
        ("  ", DEFAULT),
        ("https://eu.hex.tech", "https://eu.hex.tech/api"),
        ("https://eu.hex.tech/", "https://eu.hex.tech/api"),
        ("https://eu.hex.tech/api/", "https://eu.hex.tech/api"),
        ("https://proxy.example/hex", "https://proxy.example/hex/api"),
        ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/api"),
        ("http://localhost:8080", "http://localhost:8080/api"),
        ("http://[::1]:8080", "http://[::1]:8080/api"),
    ],
)
def test_a_base_url_is_made_exact(given: str, exact: str) -> None:
    """The API's path is added when it is missing, and a slash at the end is dropped."""
    assert base_url(toolkit(), {"HEX_BASE_URL": given}) == exact


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("http://app.hex.tech/api", "is plain http, and the key would travel in the clear"),
        ("http://127.0.0.1.example.com", "is plain http"),
        ("app.hex.tech", "HEX_BASE_URL='app.hex.tech' is not an http(s) URL"),
        ("ftp://app.hex.tech", "is not an http(s) URL"),
        ("https://", "is not an http(s) URL"),
        ("https://app.hex.tech:port", "is not a URL: Port could not be cast"),
        ("https://[::1", "is not a URL: Invalid IPv6 URL"),
        ("https://app.hex.tech/api?x=1", "has a query or fragment"),
        ("https://app.hex.tech/api/v1", "goes beyond /api"),
        ("https://app.hex.tech/a b", "is not an http(s) URL"),
    ],
)
def test_a_base_url_that_cannot_be_meant_is_refused(given: str, says: str) -> None:
    """The message has the variable, the value and what is wrong with it."""
    with pytest.raises(UsageError) as caught:
        base_url(toolkit(), {"HEX_BASE_URL": given})
    assert says in caught.value.message
    assert caught.value.hint


def test_a_password_in_a_base_url_is_not_shown() -> None:
    """It is refused, and the message does not repeat it."""
    with pytest.raises(UsageError) as caught:
        base_url(toolkit(), {"HEX_BASE_URL": "https://me:hunter22@app.hex.tech/api"})
    assert "hunter22" not in str(caught.value)


def test_pages_for_people_are_beside_the_api() -> None:
    """Links start at the origin."""
    assert web(toolkit(), DEFAULT) == "https://app.hex.tech"
