"""JSON Schemas (draft-07) of the three kinds of files, so that editors complete and check them."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from definable.spec.agent import Agent
from definable.spec.lookup import Json
from definable.spec.model import DURATION, SECONDS
from definable.spec.toolkit import Toolkit
from definable.spec.workflow import Workflow

Kind = Literal["workflow", "agent", "toolkit"]

_MODELS: Final[dict[str, type[BaseModel]]] = {"workflow": Workflow, "agent": Agent, "toolkit": Toolkit}
_PATH: Final = "Text in ${{ }} is a path and, when it stands alone, takes the type of what it leads to: "
_ANYWHERE: Final = (
    _PATH + "inputs.NAME, steps.ID.output, steps.ID.link (of a call), run.id, run.date, run.week"
)


class _Plain(GenerateJsonSchema):
    """Pydantic's generator without titles that only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(kind: Kind) -> dict[str, Json]:
    """Return the draft-07 schema of a workflow, of an agent's front matter, or of a toolkit as one file.

    Durations are texts such as `15m`. Where a value may be an expression, `${{ }}` text is accepted.
    """
    schema = _MODELS[kind].model_json_schema(by_alias=True, schema_generator=_Plain)
    if kind == "agent":
        del schema["properties"]["prompt"]
    if kind == "workflow":
        _steps(schema["$defs"]["Step"])
        _triggers(schema["$defs"]["Trigger"])
        schema["properties"]["outputs"]["description"] = f"What a run gives, by name. {_ANYWHERE}"
    old: dict[str, Json] = _older(schema)
    old["title"] = f"Definable {kind}"
    return {"$schema": "http://json-schema.org/draft-07/schema#", **old}


def _steps(step: dict[str, Json]) -> None:
    step["oneOf"] = [{"required": ["agent"]}, {"required": ["call"]}]
    properties = step["properties"]
    properties["arguments"]["description"] = f"What the tool is called with, in its own names. {_ANYWHERE}"
    properties["when"]["description"] = "A condition: paths, literals, == != < <= > >=, and, or, not"
    properties["prompt"]["description"] = f"What the agent is asked to do. {_ANYWHERE}"


def _triggers(trigger: dict[str, Json]) -> None:
    trigger["oneOf"] = [{"required": ["schedule"]}, {"required": ["webhook", "secret"]}]
    properties = trigger["properties"]
    properties["schedule"]["examples"] = ["0 7 * * 1", "*/15 * * * *"]
    properties["timezone"]["examples"] = ["UTC", "Europe/Paris", "America/New_York"]
    properties["inputs"]["description"] += "; of a webhook, also ${{ event.body }}, .headers and .query"


def _older(value: Json) -> Json:
    if isinstance(value, list):
        return [_older(each) for each in value]
    if not isinstance(value, dict):
        return value
    new = {("definitions" if key == "$defs" else key): _older(each) for key, each in value.items()}
    if isinstance(ref := new.get("$ref"), str):
        new["$ref"] = ref.replace("#/$defs/", "#/definitions/")
        if len(new) > 1:
            new["allOf"] = [{"$ref": new.pop("$ref")}]
    if "default" in new and new["default"] is None:
        del new["default"]
    if _is_duration(new) and isinstance(new.get("default"), float):
        new["default"] = in_words(new["default"])
    return new


def _is_duration(schema: dict[str, Json]) -> bool:
    options = [schema, *schema.get("anyOf", [])] if isinstance(schema.get("anyOf", []), list) else [schema]
    return any(isinstance(each, dict) and each.get("pattern") == DURATION.pattern for each in options)


def in_words(seconds: float) -> str:
    """Return a duration as files write it, in the largest unit that keeps it whole: `14400.0` is `4h`."""
    for unit, size in reversed(SECONDS.items()):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
