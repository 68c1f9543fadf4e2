"""The same contracts as others would check them: pydantic, lax, strict, and with nothing demanded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from definable.verify.contracts import Contract
from definable.verify.shape import Schema

Json = Any
SCALARS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": None,
    "array": list,
    "object": dict,
}


def readers(contract: Contract) -> dict[str, Callable[[Json], bool]]:
    """Return each way of checking by its name; true when the body passes."""
    found: dict[str, Callable[[Json], bool]] = {"jsonschema-rs, the contract alone": contract.valid}
    for name, strict, optional in (
        ("pydantic, lax", False, False),
        ("pydantic, strict", True, False),
        ("pydantic, every field optional", False, True),
    ):
        found[name] = _passes(TypeAdapter(_type(contract, contract.schema, strict, optional)))
    return found


def _passes(adapter: TypeAdapter[Any]) -> Callable[[Json], bool]:
    def check(body: Json) -> bool:
        try:
            adapter.validate_python(body)
        except ValidationError:
            return False
        return True

    return check


def _type(contract: Contract, schema: Schema, strict: bool, optional: bool) -> Any:
    """Return the Python type of a schema's place, as somebody would write it down."""
    shape = contract.solid(schema)
    made: Any = Any
    if shape.properties:
        made = _model(contract, schema, strict, optional)
    elif shape.items is not None:
        made = list[_type(contract, shape.items, strict, optional)]  # type: ignore[misc]
    elif kinds := sorted(shape.types - {"null"}):
        made = SCALARS[kinds[0]]
    nullable = "null" in shape.types or contract.fits(schema, None)
    return made | None if nullable and made is not Any else made


def _model(contract: Contract, schema: Schema, strict: bool, optional: bool) -> type[BaseModel]:
    shape = contract.solid(schema)
    fields: dict[str, Any] = {}
    for name, inner in shape.properties.items():
        kind = _type(contract, inner, strict, optional)
        needed = name in shape.required and not optional
        fields[name] = (kind, ...) if needed else (kind if kind is Any else kind | None, None)
    return create_model("Row", __config__=ConfigDict(strict=strict), **fields)
