"""ListUsers, Me, DeactivateUser."""

from __future__ import annotations

from definable.sandbox.answers import Answer, Json, bad
from definable.sandbox.clock import iso
from definable.sandbox.context import Context, uuid_of
from definable.sandbox.paging import page
from definable.sandbox.params import choice, cursors, text


def list_users(ctx: Context) -> Answer:
    """Answer with the workspace's users, by group or by ids when asked. Deactivated ones stay listed."""
    params = ctx.params(
        {
            "sortBy": (choice("NAME", "EMAIL"), "NAME"),
            "sortDirection": (choice("ASC", "DESC"), "ASC"),
            "groupId": (text, None),
            "userIds": (text, None),
            **cursors(largest=500),
        }
    )
    users = list(ctx.state["users"].values())
    if params["groupId"]:
        group = ctx.find("groups", "Group", uuid_of(params["groupId"], "groupId"))
        users = [u for u in users if u["id"] in group["members"]]
    if params["userIds"]:
        wanted = {uuid_of(part.strip(), "userIds") for part in params["userIds"].split(",")}
        users = [u for u in users if u["id"] in wanted]
    field = params["sortBy"].lower()
    name = f"users/{field}/{params['sortDirection']}"
    values, pagination = page(
        name, users, lambda u: (u[field] or "").lower(), params, descending=params["sortDirection"] == "DESC"
    )
    return Answer(200, {"values": [_show(u) for u in values], "pagination": pagination})


def me(ctx: Context) -> Answer:
    """Answer with whose token this is; a workspace token has an organisation and no user."""
    token = ctx.state["tokens"][ctx.caller.token]
    expires = round(token["expires"]) if token["expires"] is not None else None
    body: dict[str, Json] = {"org": {"id": ctx.state["org"]["id"]}, "token": {"exp": expires}}
    if ctx.caller.user is not None:
        body = {**_show(ctx.state["users"][ctx.caller.user]), **body}
    return Answer(200, body)


def deactivate_user(ctx: Context) -> Answer:
    """Deactivate a user: their personal tokens stop working at once."""
    user = ctx.find("users", "User", ctx.id("userId"))
    if user["id"] == ctx.caller.user:
        raise bad("You cannot deactivate yourself", "userId: is the token's own user")
    user["active"] = False
    ctx.changed(user["id"])
    return Answer(200, {"user": _show(user)})


def _show(user: dict[str, Json]) -> dict[str, Json]:
    return {
        **{field: user[field] for field in ("id", "name", "email", "role")},
        "lastLoginDate": iso(user["lastLogin"]),
    }
