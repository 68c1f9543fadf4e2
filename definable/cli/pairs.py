"""Reads `-i key=value` and `--inputs FILE.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from definable.errors import UsageError
from definable.spec.inputs import whole

WHOLE = frozenset({"integer", "number", "boolean", "array", "object", "null"})


def split(pairs: Sequence[str]) -> dict[str, str]:
    """Return `key=value` texts as a dict. UsageError for a pair without `=` and for a key given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"-i {pair!r} is not key=value", hint="write it like: -i days=7")
        if key in found:
            raise UsageError(f"-i {key} is given twice: {found[key]!r} and {value!r}")
        found[key] = value
    return found


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. UsageError when it is not there, no JSON, or no object."""
    try:
        value = json.loads(path.read_bytes(), object_pairs_hook=_once, parse_int=whole)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start + 1} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f'{path}: inputs are an object such as {{"days": 7}}, not a {type(value).__name__}')
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members as a dict. ValueError for a key that stands there twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands in one object twice; keep one")
        found[key] = value
    return found


def typed(text: str, schema: Mapping[str, Any]) -> Any:
    """Return `text` as the JSON Schema wants it; unchanged when it does not fit, for validation to refuse."""
    kinds = _kinds(schema)
    if kinds == {"string"}:
        return text
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text
    return value if _kind(value) & kinds else text


def _kind(value: Any) -> set[str]:
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    names = {float: "number", list: "array", dict: "object", type(None): "null"}
    return {names[type(value)]} if type(value) in names else set()


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return set(kind)
    parts = [p for word in ("anyOf", "oneOf") for p in schema.get(word, ())]
    if parts:
        return {k for part in parts for k in _kinds(part)}
    if "enum" in schema and all(isinstance(v, str) for v in schema["enum"]):
        return {"string"}
    return set(WHOLE)
