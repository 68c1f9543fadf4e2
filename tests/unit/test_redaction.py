"""Redaction: no secret is written down, and nothing else is touched."""

from __future__ import annotations

import json
import string
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.redaction import MARK, Redactor

CANARY = "zq-Canary+9/of=the&mine"
ALPHABET = string.ascii_letters + string.digits + '-_+/=&%"\\é ' + "'"

secrets = (
    st.text(ALPHABET, min_size=8, max_size=40).map(str.strip).filter(lambda s: len(s) >= 8 and s not in MARK)
)
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=20)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("token hxtp_abc123DEF.", "token [redacted]"),
        ("hxtw_0123456789abcdef is refused", "[redacted] is refused"),
        ("key sk-proj-abcDEF0123456789 used", "key [redacted] used"),
        ("Authorization: Bearer abcd1234", "Authorization: Bearer [redacted]"),
        ("authorization: basic dXNlcjpwYXNzMQ==", "authorization: basic [redacted]"),
        ("GET https://me:pw@host/x", "GET https://[redacted]@host/x"),
        ("postgresql://app:p@ss@db:5432/x", "postgresql://[redacted]@db:5432/x"),
        ("/v1?token=abc&limit=5", "/v1?token=[redacted]&limit=5"),
        ("client_secret=abc; next", "client_secret=[redacted]; next"),
        ('{"password": "open sesame", "a": 1}', '{"password": "[redacted]", "a": 1}'),
        (r"{\"apiKey\": \"abc\"}", r"{\"apiKey\": \"[redacted]\"}"),
        ("x-api-key: abc", "x-api-key: [redacted]"),
        ("a AKIAABCDEFGHIJKLMNOP b", "a [redacted] b"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln end", "[redacted] end"),
        (
            "k -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- z",
            "k [redacted] z",
        ),
        ("cut off -----BEGIN PRIVATE KEY-----\nMIIE", "cut off [redacted]"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, clean: str) -> None:
    """Tokens are found by their look, or by what stands before them, without being known."""
    assert Redactor().text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "0190c0de-7bb5-7001-9f5e-2b1c3d4e5f60",
        "019c1f9a-6e7b-700f-8d5f-f2a6a3d0d8a1 ran in 12 s",
        "https://app.hex.tech/northwind/hex/Weekly-032EfTUMnTCdrpd5gBUmCc/draft/logic?view=app#cell",
        "ana@northwind.example asked",
        "basic authentication is off; the bearer of bad news; Basic understanding",
        "the task-force and the risk-assessment-of-the-quarter",
        "password must be 8 characters; this token has no access",
        "research.3",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "SELECT count(*) FROM keys WHERE secret_at > now()",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Ids, hashes, links, addresses and prose come out as they went in."""
    assert Redactor(["some-known-secret"]).text(text) == text


def test_values_of_secret_keys_are_hidden_whatever_they_hold() -> None:
    """A key's name is enough; shapes stay, so that a reader sees what was there."""
    value = {
        "Authorization": "x",
        "api_key": ["a", 7],
        "nested": {"privateKey": {"pem": "a"}},
        "password": None,
    }
    assert Redactor().json(value) == {
        "Authorization": MARK,
        "api_key": [MARK, MARK],
        "nested": {"privateKey": {"pem": MARK}},
        "password": None,
    }


def test_tokens_that_page_through_a_list_are_no_secrets() -> None:
    """`nextPageToken` and token counts are needed to go on, and open nothing."""
    value = {"nextPageToken": "abc", "pagination": {"after": "x", "cursor_token": "y"}, "input_tokens": 12}
    assert Redactor().json(value) == value


def test_a_toolkit_may_name_further_keys() -> None:
    """Products have secrets under names of their own; case and separators do not matter."""
    assert Redactor(keys=["serviceAccountJson"]).json({"service_account_json": "{}"}) == {
        "service_account_json": MARK
    }


def test_things_that_are_not_json_become_redacted_text() -> None:
    """Exceptions, paths and bytes turn up in log lines."""
    redact = Redactor([CANARY])
    assert redact.json([ValueError(f"bad {CANARY}"), Path("a"), CANARY.encode()]) == [
        f"bad {MARK}",
        "a",
        MARK,
    ]
    assert redact.text(b"\xff " + CANARY.encode()) == f"� {MARK}"


def test_a_known_secret_is_found_in_its_usual_disguises() -> None:
    """Percent-encoded in a URL, escaped in JSON, as digits of a number, in a key."""
    redact = Redactor(['pass"word\\é & more', "1234567890"])
    assert redact.text("?q=pass%22word%5C%C3%A9%20%26%20more&x") == f"?q={MARK}&x"
    assert redact.text(json.dumps({"a": 'pass"word\\é & more'})) == f'{{"a": "{MARK}"}}'
    assert redact.json({"1234567890": 1234567890}) == {MARK: MARK}


def test_the_longer_of_two_secrets_goes_first() -> None:
    """A secret that starts like another leaves no rest behind."""
    assert Redactor(["abcdefgh", "abcdefgh-and-more"]).text("x abcdefgh-and-more y") == f"x {MARK} y"


def test_short_values_are_not_searched_for() -> None:
    """A test key such as `test` must not blacken every word that contains it; nor must an empty one."""
    assert Redactor(["test", "", "  "]).text("the latest test") == "the latest test"


def test_a_redactor_shows_nothing_of_what_it_knows() -> None:
    """It may end up in a traceback or a debugger's output itself."""
    assert CANARY not in repr(Redactor([CANARY]))


def _plant(value: Any, canary: str) -> Any:
    if isinstance(value, dict):
        return {f"{canary}{k}": _plant(v, canary) for k, v in value.items()}
    if isinstance(value, list):
        return [_plant(v, canary) for v in value] + [canary]
    return f"{value}{canary}{value}" if isinstance(value, str) else value


@given(
    st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
    ),
    secrets,
)
def test_no_planted_canary_survives(value: Any, canary: str) -> None:
    """Wherever a known secret stands in JSON, as a key or inside text, none of it is in the result."""
    clean = Redactor([canary]).json({"all": _plant(value, canary)})
    assert canary not in list(_texts(clean))
    assert not [text for text in _texts(clean) if canary in text]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for k, v in value.items() for t in (k, *_texts(v))]
    if isinstance(value, list):
        return [t for v in value for t in _texts(v)]
    return [str(value)]


@given(st.text(), st.lists(secrets, max_size=3))
def test_redacting_twice_changes_nothing_more(text: str, known: list[str]) -> None:
    """Text passes several borders on its way out; each may redact it again."""
    redact = Redactor(known)
    once = redact.text(text)
    assert redact.text(once) == once


@given(st.uuids(), st.integers(0, 10**18), st.emails())
def test_identifiers_pass_unchanged(name: uuid.UUID, number: int, mail: str) -> None:
    """What receipts cite must come out as it went in."""
    value = {"id": str(name), "hex": name.hex, "n": number, "mail": mail}
    assert Redactor([CANARY]).json(value) == value
