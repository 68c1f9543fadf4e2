"""UpsertGuideDraft, ListDraftGuides, DeleteGuideDraft, PublishGuideDrafts. Contents can never be read."""

from __future__ import annotations

import json

from definable.sandbox.answers import Answer, Json, bad, missing
from definable.sandbox.bodies import ExternalSource, GuideFile, GuidesPublish, GuidesUpsert
from definable.sandbox.context import Context
from definable.sandbox.paging import page
from definable.sandbox.params import cursors, text


def upsert_drafts(ctx: Context) -> Answer:
    """Write drafts by path. A guide kept elsewhere is left alone, with a warning, unless `forceWrite`."""
    body = ctx.read(GuidesUpsert)
    written: list[dict[str, str]] = []
    warnings: list[dict[str, str]] = []
    for number, file in enumerate(body.files):
        guide = next((g for g in ctx.state["guides"].values() if g["filePath"] == file.filePath), None)
        obstacle = _obstacle(guide, file) if not body.forceWrite else ""
        if number < ctx.refuse:
            obstacle = "The draft could not be written"
        if obstacle:
            warnings.append({"message": obstacle, "filePath": file.filePath})
        else:
            written.append(_show(_write(ctx, guide, file)))
    if written:
        ctx.changed(",".join(file["id"] for file in written))
    return Answer(200, {"files": written, "warnings": warnings, "traceId": ctx.trace})


def list_drafts(ctx: Context) -> Answer:
    """Answer with the guides that have a draft, by path."""
    params = ctx.params({"externalSource": (text, None), **cursors(default=100)})
    drafts = [g for g in ctx.state["guides"].values() if g["draft"] is not None]
    if params["externalSource"]:
        wanted = _external(params["externalSource"])
        drafts = [g for g in drafts if _matches(g["external"], wanted)]
    values, pagination = page("drafts", drafts, lambda g: g["filePath"], params)
    return Answer(200, {"values": [_show(g) for g in values], "pagination": pagination})


def delete_draft(ctx: Context) -> Answer:
    """Delete a draft; what was published stays."""
    key = ctx.id("orgGuideFileId")
    guide = ctx.state["guides"].get(key)
    if guide is None or guide["draft"] is None:
        raise missing("Guide draft", key)
    guide["draft"] = None
    if guide["published"] is None:
        del ctx.state["guides"][key]
    ctx.changed(key)
    return Answer(204)


def publish_drafts(ctx: Context) -> Answer:
    """Publish all drafts, or those named; an id without a draft refuses the whole request."""
    body = ctx.read(GuidesPublish)
    drafts = {key: g for key, g in ctx.state["guides"].items() if g["draft"] is not None}
    named = [str(key) for key in body.orgGuideFileIds or ()]
    if not body.publishAllDraftGuides and body.orgGuideFileIds is None:
        raise bad("Nothing to publish", "either publishAllDraftGuides or orgGuideFileIds is required")
    unknown = [f"orgGuideFileIds: no draft {key}" for key in named if key not in drafts]
    if unknown:
        raise bad("Unknown guide drafts", *unknown)
    chosen = list(drafts) if body.publishAllDraftGuides else list(dict.fromkeys(named))
    for key in chosen:
        drafts[key]["published"], drafts[key]["draft"] = drafts[key]["draft"], None
    if chosen:
        ctx.changed(",".join(chosen))
    count = len(chosen)
    message = f"Published {count} guide{'' if count == 1 else 's'}" if chosen else "No drafts to publish"
    published = [_show(drafts[key]) for key in chosen]
    return Answer(200, {"message": message, "publishedGuides": published, "traceId": ctx.trace})


def _write(ctx: Context, guide: dict[str, Json] | None, file: GuideFile) -> dict[str, Json]:
    if guide is None:
        key = ctx.world.new_id()
        guide = {"id": key, "filePath": file.filePath, "published": None, "draft": None, "external": None}
        ctx.state["guides"][key] = guide
    guide["draft"] = file.contents
    guide["external"] = _origin(file.externalSource) or guide["external"]
    return guide


def _obstacle(guide: dict[str, Json] | None, file: GuideFile) -> str:
    if guide is None or guide["external"] is None or _origin(file.externalSource) == guide["external"]:
        return ""
    kept = guide["external"]
    return f"This guide is kept in {kept.get('owner')}/{kept.get('repo')}; use forceWrite to overwrite it"


def _origin(source: ExternalSource | None) -> dict[str, Json] | None:
    if source is None:
        return None
    fields = {"source", "id", "owner", "repo", "base"}
    return source.model_dump(include=fields, exclude_none=True)


def _external(raw: str) -> dict[str, Json]:
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise bad("Invalid query parameters", f"externalSource: expected a JSON object, got {raw!r}")
    return value


def _matches(external: dict[str, Json] | None, wanted: dict[str, Json]) -> bool:
    return external is not None and all(external.get(name) == value for name, value in wanted.items())


def _show(guide: dict[str, Json]) -> dict[str, str]:
    return {"id": guide["id"], "filePath": guide["filePath"]}
