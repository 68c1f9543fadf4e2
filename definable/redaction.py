"""What may never be written down, and how it is taken out of text and JSON.

Three nets, from exact to general: the secrets this process knows, the values of keys that are named like
secrets, and tokens that look like tokens wherever they stand. Ids, hashes, e-mail addresses and URLs without
credentials pass unchanged. Redacting twice gives the same as redacting once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"

SHORTEST = 8
"""Known secrets shorter than this are not searched for: ordinary text would be full of them."""

TOKENS = re.compile(
    r"""
      hxt[pw]_[A-Za-z0-9._-]{4,}                                # Hex: personal and workspace tokens
      | dfn_[0-9a-f]{8}_[A-Za-z0-9_-]{4,}                       # our own service's keys
      | (?<![A-Za-z0-9]) (?:
          sk-[A-Za-z0-9_-]{12,}                                 # OpenAI, Anthropic
        | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_\w{20,}
        | glpat-[A-Za-z0-9_-]{16,}
        | xox[abeprs]-[A-Za-z0-9-]{10,}                         # Slack
        | A[KS]IA[A-Z0-9]{16} (?![A-Za-z0-9])                   # AWS
        | AIza[A-Za-z0-9_-]{35}                                 # Google
      )
      | (?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*   # JWT
      | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
"""Tokens by their own look."""

NAMED = (
    r"(?:pass(?:word|wd|phrase)|(?:client|shared)?_?secret|api[_-]?(?:key|token)|private[_-]?key"
    r"|(?:access|refresh|id|auth|session)[_-]?token|signature|x-amz-[a-z-]{0,20}(?:signature|token)|x-api-key)"
)

CONTEXTS = (
    # Prose ("basic authentication", "bearer of news") has no digits, no inner capitals and not the length.
    re.compile(
        r"\b((?:bearer|basic)\s+)(?=[^\s\"',;]*(?:[\d=]|(?-i:[a-z][A-Z]))|[^\s\"',;]{24})[A-Za-z0-9._~+/=-]{6,}",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(authorization\\?\"?\s*[:=]\s*\\?\"?(?:token|apikey|key)\s+)[^\s\"',;\\]{6,}", re.IGNORECASE
    ),
    # user:password@ (or token@) in URLs, also of databases.
    re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]+(?=@)", re.IGNORECASE),
    # ?token=…&, password=…
    re.compile(rf"((?:[?&]token|\b{NAMED})=)[^\s&#\"'<>;,]+", re.IGNORECASE),
    # JSON inside text, escaped or not.
    re.compile(rf"(\"{NAMED}\\*\"\s*:\s*\\*\")(?:[^\"\\]|\\[^\"])+", re.IGNORECASE),
    re.compile(r"\b(x-api-key:\s*)\S+", re.IGNORECASE),
)
"""Tokens by what stands before them, which is kept (the first group)."""

HINTS = (
    *("hxt", "dfn_", "sk-", "gh", "glpat", "xox", "akia", "asia", "aiza", "eyj", "://"),
    *("private", "bearer", "basic", "auth", "pass", "secret", "key", "token", "sig"),
)
"""Text with none of these, whatever the case, holds nothing that the patterns find: most text."""

KEYS = frozenset(
    {
        "authorization",
        "proxyauthorization",
        "pwd",
        "cookie",
        "setcookie",
        "connectionstring",
        "credentials",
        "passwd",
    }
)
ENDINGS = ("password", "passphrase", "secret", "token", "apikey", "privatekey")
PAGING = ("page", "next", "continuation", "cursor", "sync")
"""Tokens that say where a list goes on are not secrets."""


class Redactor:
    """Takes secrets out of what is about to be written down.

    `secrets` are exact values, found also when they are percent-encoded or escaped as JSON; those shorter
    than eight characters are ignored. `keys` are further names (any case) whose values are never kept.
    """

    def __init__(self, secrets: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Learn the secrets; longer ones are taken out first, so that one inside another leaves no rest."""
        self._known: set[str] = set()
        self._exact: re.Pattern[str] | None = None
        self.learn(*secrets)
        self._keys = KEYS | {_plain(key) for key in keys}

    def __repr__(self) -> str:
        """Show nothing of what it knows."""
        return "Redactor()"

    def learn(self, *secrets: str) -> None:
        """Know these secrets from now on too: keys may come up while a process runs."""
        forms = {form for secret in secrets for form in _forms(secret)}
        if forms <= self._known:
            return
        self._known |= forms
        ordered = sorted(self._known, key=lambda form: (-len(form), form))
        self._exact = re.compile("|".join(map(re.escape, ordered)))

    def text(self, text: str | bytes) -> str:
        """Return `text` without secrets; bytes are read as UTF-8."""
        out = text if isinstance(text, str) else text.decode("utf-8", "replace")
        if self._exact:
            out = self._exact.sub(MARK, out)
        lower = out.lower()
        if any(hint in lower for hint in HINTS):
            out = TOKENS.sub(MARK, out)
            for context in CONTEXTS:
                out = context.sub(rf"\1{MARK}", out)
        return out

    def json(self, value: Any) -> Any:
        """Return `value` without secrets, in keys and values; what is not JSON becomes redacted text."""
        if value is None or isinstance(value, bool | int | float):
            return self._number(value)
        if isinstance(value, Mapping):
            return {
                self.text(str(k)): self._hidden(v) if self._is_secret(str(k)) else self.json(v)
                for k, v in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.json(item) for item in value]
        return self.text(value if isinstance(value, str | bytes) else str(value))

    def _number(self, value: Any) -> Any:
        """Return a number, unless its digits are a known secret."""
        if (
            self._exact
            and not isinstance(value, bool)
            and value is not None
            and self._exact.search(str(value))
        ):
            return MARK
        return value

    def _hidden(self, value: Any) -> Any:
        """Return the shape of `value` with every leaf hidden; None and booleans tell nothing and stay."""
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, Mapping):
            return {self.text(str(k)): self._hidden(v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._hidden(item) for item in value]
        return MARK

    def _is_secret(self, key: str) -> bool:
        plain = _plain(key)
        if plain in self._keys:
            return True
        return plain.endswith(ENDINGS) and not any(word in plain for word in PAGING)


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _forms(secret: str) -> set[str]:
    """Return the ways in which a secret turns up in text: as it is, percent-encoded, escaped as JSON."""
    secret = secret.strip()
    if len(secret) < SHORTEST:
        return set()
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    encoded = {quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")}
    return {secret, *escaped, *encoded}
