"""What `when` says: paths, literals, comparisons, `and`, `or`, `not` and parentheses. Never code.

or    := and ("or" and)*
and   := not ("and" not)*
not   := "not" not | test
test  := value (("==" | "!=" | "<" | "<=" | ">" | ">=") value)?
value := path | 'text' | "text" | number | true | false | null | "(" or ")" | "${{" or "}}"
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from definable.errors import UsageError
from definable.spec.lookup import MISSING, PATH, QUOTED, Json, follow, parse, unquote

_TOKEN: Final = re.compile(
    rf"""\s*(?:
    (?P<number>-?[0-9]{{1,300}}(?:\.[0-9]{{1,300}})?(?:[eE][+-]?[0-9]{{1,3}})?)(?![\w.])
    | (?P<sign>==|!=|<=|>=|<|>)
    | (?P<open>\(|\$\{{\{{) | (?P<close>\)|\}}\}})
    | (?P<word>(?:and|or|not|true|false|null)(?![\w.\[$@-]))
    | (?P<text>{QUOTED})
    | (?P<path>{PATH})
    )""",
    re.VERBOSE,
)
_ORDER: Final[dict[str, Callable[[Json, Json], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CLOSES: Final = {"(": ")", "${{": "}}"}
_WORDS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands there as it is."""

    value: Json


@dataclass(frozen=True, slots=True)
class Path:
    """A value that is looked up."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """`and`, `or`, `not` or a comparison, and what it works on."""

    sign: str
    operands: tuple[Node, ...]


Node = Literal | Path | Operation


def truth(expression: str, scope: Json) -> bool:
    """Return whether `expression` holds in `scope`; a path that leads nowhere counts as null.

    Alone, a value holds unless it is null, false, 0, or an empty text, list or object. `==` knows types
    (`true` is not 1). Less and greater than null never hold; on values without an order they raise
    UsageError.
    """
    return bool(_value(compile_expression(expression), scope))


def paths_in(node: Node) -> Iterator[tuple[str, ...]]:
    """Yield the parts of every path in an expression, in the order in which they stand there."""
    if isinstance(node, Path):
        yield node.parts
    elif isinstance(node, Operation):
        for operand in node.operands:
            yield from paths_in(operand)


@lru_cache(maxsize=1024)
def compile_expression(expression: str) -> Node:
    """Return `expression` read; UsageError says what is wrong with it and where."""
    reader = _Reader(expression)
    node = reader.alternatives(0)
    if reader.kind:
        raise reader.refuse(f"{reader.word!r} was not expected")
    return node


class _Reader:
    """Reads one expression; `kind` and `word` are what comes next, both empty at the end."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.at = 0
        self.kind = self.word = ""
        self.advance()

    def advance(self) -> str:
        taken = self.word
        if not self.expression[self.at :].strip():
            self.kind = self.word = ""
            return taken
        found = _TOKEN.match(self.expression, self.at)
        if found is None:
            raise self.refuse(f"{self.expression[self.at :].strip()[:20]!r} cannot be read")
        self.kind = found.lastgroup or ""
        self.word = found[self.kind]
        self.at = found.end()
        return taken

    def refuse(self, what: str) -> UsageError:
        return UsageError(
            f"{self.expression!r}: {what}",
            hint="`when` knows paths, 'text', numbers, true, false, null, == != < <= > >=, and, or, not, ().",
        )

    def alternatives(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self.refuse(f"more than {_DEEPEST} levels deep")
        parts = [self.conjunction(depth)]
        while self.word == "or" and self.kind == "word":
            self.advance()
            parts.append(self.conjunction(depth))
        return parts[0] if len(parts) == 1 else Operation("or", tuple(parts))

    def conjunction(self, depth: int) -> Node:
        parts = [self.negation(depth)]
        while self.word == "and" and self.kind == "word":
            self.advance()
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else Operation("and", tuple(parts))

    def negation(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self.refuse(f"more than {_DEEPEST} levels deep")
        if self.word == "not" and self.kind == "word":
            self.advance()
            return Operation("not", (self.negation(depth + 1),))
        left = self.value(depth)
        if self.kind != "sign":
            return left
        sign = self.advance()
        return Operation(sign, (left, self.value(depth)))

    def value(self, depth: int) -> Node:
        kind, token = self.kind, self.word
        if not kind:
            raise self.refuse("it ends where a value was expected")
        if kind in ("sign", "close") or token in ("and", "or", "not"):
            raise self.refuse(f"a value was expected, not {token!r}")
        self.advance()
        if kind == "open":
            inner = self.alternatives(depth + 1)
            if self.word != _CLOSES[token]:
                raise self.refuse(f"{token!r} is not closed by {_CLOSES[token]!r}")
            self.advance()
            return inner
        return self.plain(kind, token)

    def plain(self, kind: str, token: str) -> Node:
        if kind == "word":
            return Literal(_WORDS[token])
        if kind == "path":
            return Path(parse(token))
        if kind == "number":
            return Literal(float(token) if set(token) & set(".eE") else int(token))
        return Literal(unquote(token))


def _value(node: Node, scope: Json) -> Json:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Path):
        found = follow(scope, node.parts)
        return None if found is MISSING else found
    if node.sign == "and":
        return all(_value(each, scope) for each in node.operands)
    if node.sign == "or":
        return any(_value(each, scope) for each in node.operands)
    if node.sign == "not":
        return not _value(node.operands[0], scope)
    return _compare(node.sign, *(_value(each, scope) for each in node.operands))


def _compare(sign: str, left: Json, right: Json) -> bool:
    if sign in ("==", "!="):
        return same(left, right) is (sign == "==")
    if left is None or right is None:
        return False
    kinds = {_kind(left), _kind(right)}
    if len(kinds) > 1 or not kinds <= {"number", "text"}:
        raise UsageError(f"{left!r} {sign} {right!r}: only two numbers or two texts have an order")
    return _ORDER[sign](left, right)


def same(left: Json, right: Json) -> bool:
    """Whether two JSON values are equal; unlike Python's `==`, true is not 1, also deep inside."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return _kind(left) == _kind(right) and bool(left == right)


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__
