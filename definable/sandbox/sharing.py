"""The four EditProjectSharing operations. A 200 may hold failures: `errors` has them."""

from __future__ import annotations

from collections.abc import Sequence

from definable.sandbox.answers import Answer, Json
from definable.sandbox.bodies import ShareCollections, ShareGroups, ShareOrg, ShareUsers
from definable.sandbox.context import Context
from definable.sandbox.projects import show_project

PUBLIC = ("NONE", "APP_ONLY", "CAN_VIEW")
"""What the public web may be given."""


def share_users(ctx: Context) -> Answer:
    """Give users access, or take it (NONE)."""
    entries = ctx.read(ShareUsers).sharing.upsert.users
    return _upsert(ctx, "users", "userIds", "User", [(str(e.user.id), e.access) for e in entries])


def share_groups(ctx: Context) -> Answer:
    """Give groups access, or take it (NONE)."""
    entries = ctx.read(ShareGroups).sharing.upsert.groups
    return _upsert(ctx, "groups", "groupIds", "Group", [(str(e.group.id), e.access) for e in entries])


def share_collections(ctx: Context) -> Answer:
    """Add the project to collections, or take it out of them (NONE). Takes collections:write as well."""
    ctx.caller.demand("collections:write", "EDITOR")
    entries = ctx.read(ShareCollections).sharing.upsert.collections
    return _upsert(
        ctx, "collections", "collectionIds", "Collection", [(str(e.collection.id), e.access) for e in entries]
    )


def share_org(ctx: Context) -> Answer:
    """Set what the workspace's members and the public web may do."""
    body = ctx.read(ShareOrg).sharing
    project = ctx.project(ctx.path["projectId"], "FULL_ACCESS", "Sharing")
    wanted = [
        (kind, getattr(body, kind)) for kind in ("workspace", "publicWeb") if getattr(body, kind) is not None
    ]
    errors: list[dict[str, Json]] = []
    done = 0
    for number, (kind, level) in enumerate(wanted):
        if number < ctx.refuse:
            errors.append({"type": kind, "reason": f"{kind} access could not be updated"})
        elif kind == "publicWeb" and level not in PUBLIC:
            errors.append({"type": kind, "reason": f"The public web cannot be given {level}"})
        else:
            project["sharing"][kind] = level
            done += 1
    return _settled(ctx, project, done, errors)


def _upsert(ctx: Context, table: str, ids: str, what: str, entries: Sequence[tuple[str, str]]) -> Answer:
    project = ctx.project(ctx.path["projectId"], "FULL_ACCESS", "Sharing")
    granted = project["sharing"][table]
    failed: dict[str, list[str]] = {}
    done = 0
    for number, (key, level) in enumerate(entries):
        reason = _obstacle(ctx, project, table, what, key)
        if number < ctx.refuse:
            reason = f"{what} access could not be updated"
        if reason:
            failed.setdefault(reason, []).append(key)
            continue
        done += 1
        if level == "NONE":
            granted.pop(key, None)
        else:
            granted[key] = level
    return _settled(ctx, project, done, [{ids: keys, "reason": reason} for reason, keys in failed.items()])


def _obstacle(ctx: Context, project: dict[str, Json], table: str, what: str, key: str) -> str:
    entry = ctx.state[table].get(key)
    if entry is None:
        return f"{what} not found"
    if table == "users" and not entry["active"]:
        return "User is deactivated"
    if table == "users" and key == project["owner"]:
        return "The owner's access cannot be changed"
    return ""


def _settled(ctx: Context, project: dict[str, Json], done: int, errors: list[dict[str, Json]]) -> Answer:
    if done:
        ctx.changed(project["id"])
    body: dict[str, Json] = {"project": show_project(ctx.state, project, sharing=True)}
    if errors:
        body["errors"] = errors
    return Answer(200, body)
