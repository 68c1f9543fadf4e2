"""ListGroups, CreateGroup, GetGroup, EditGroup, DeleteGroup. Group names are not unique."""

from __future__ import annotations

from definable.sandbox.answers import Answer, Json, bad
from definable.sandbox.bodies import GroupCreate, GroupEdit, People
from definable.sandbox.clock import stamp
from definable.sandbox.context import Context
from definable.sandbox.paging import page
from definable.sandbox.params import choice, cursors


def list_groups(ctx: Context) -> Answer:
    """Answer with the groups."""
    params = ctx.params(
        {
            "sortBy": (choice("CREATED_AT", "NAME"), "NAME"),
            "sortDirection": (choice("DESC", "ASC"), "ASC"),
            **cursors(largest=500),
        }
    )
    by_name = params["sortBy"] == "NAME"
    values, pagination = page(
        f"groups/{params['sortBy']}/{params['sortDirection']}",
        list(ctx.state["groups"].values()),
        lambda g: g["name"].lower() if by_name else g["createdAt"],
        params,
        descending=params["sortDirection"] == "DESC",
    )
    return Answer(200, {"values": [_show(g) for g in values], "pagination": pagination})


def get_group(ctx: Context) -> Answer:
    """Answer with one group; Hex shows no members here."""
    return Answer(200, _show(ctx.find("groups", "Group", ctx.id("groupId"))))


def create_group(ctx: Context) -> Answer:
    """Make a group. The answer has members and no creation date, as Hex's has."""
    body = ctx.read(GroupCreate)
    members = _people(ctx, "members", body.members)
    key = ctx.world.new_id()
    ctx.state["groups"][key] = {
        "id": key,
        "name": body.name,
        "createdAt": ctx.world.now(),
        "members": members,
    }
    ctx.changed(key)
    return Answer(201, {"id": key, "name": body.name, "members": {"users": [{"id": m} for m in members]}})


def edit_group(ctx: Context) -> Answer:
    """Change a group's name or members."""
    body = ctx.read(GroupEdit)
    group = ctx.find("groups", "Group", ctx.id("groupId"))
    added = _people(ctx, "members.add", body.members.add if body.members else None)
    removed = _people(ctx, "members.remove", body.members.remove if body.members else None)
    if body.name is not None:
        group["name"] = body.name
    kept = [m for m in group["members"] if m not in removed]
    group["members"] = kept + [m for m in added if m not in kept]
    if body.model_fields_set:
        ctx.changed(group["id"])
    return Answer(200, _show(group))


def delete_group(ctx: Context) -> Answer:
    """Delete a group and the access that it gave."""
    group = ctx.find("groups", "Group", ctx.id("groupId"))
    del ctx.state["groups"][group["id"]]
    for table in ("projects", "collections"):
        for entry in ctx.state[table].values():
            entry["sharing"]["groups"].pop(group["id"], None)
    ctx.changed(group["id"])
    return Answer(204)


def _show(group: dict[str, Json]) -> dict[str, Json]:
    return {"id": group["id"], "name": group["name"], "createdAt": stamp(group["createdAt"])}


def _people(ctx: Context, field: str, people: People | None) -> list[str]:
    keys = [str(user.id) for user in people.users] if people else []
    unknown = [f"{field}.users: no user {key}" for key in keys if key not in ctx.state["users"]]
    if unknown:
        raise bad("Unknown users", *unknown)
    return list(dict.fromkeys(keys))
