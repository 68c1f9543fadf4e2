"""ListCollections, CreateCollection, GetCollection, EditCollection."""

from __future__ import annotations

from definable.sandbox.answers import Answer, Json, bad, forbidden
from definable.sandbox.auth import is_member
from definable.sandbox.bodies import CollectionCreate, CollectionEdit, CollectionShare
from definable.sandbox.context import Context, email
from definable.sandbox.paging import page
from definable.sandbox.params import choice, cursors


def list_collections(ctx: Context) -> Answer:
    """Answer with the collections by name."""
    params = ctx.params({"sortBy": (choice("NAME"), "NAME"), **cursors()})
    values, pagination = page(
        "collections", list(ctx.state["collections"].values()), lambda c: c["name"].lower(), params
    )
    return Answer(200, {"values": [show_collection(ctx.state, c) for c in values], "pagination": pagination})


def get_collection(ctx: Context) -> Answer:
    """Answer with one collection."""
    return Answer(
        200, show_collection(ctx.state, ctx.find("collections", "Collection", ctx.id("collectionId")))
    )


def create_collection(ctx: Context) -> Answer:
    """Make a collection; names need not be unique."""
    body = ctx.read(CollectionCreate)
    collection: dict[str, Json] = {
        "id": "",
        "name": body.name,
        "description": body.description,
        "creator": ctx.caller.user,
        "sharing": {"users": {}, "groups": {}, "members": "NONE"},
    }
    if ctx.caller.user:
        collection["sharing"]["users"][ctx.caller.user] = "MANAGER"
    _share(ctx, collection, body.sharing)
    key = collection["id"] = ctx.world.new_id()
    ctx.state["collections"][key] = collection
    ctx.changed(key)
    return Answer(201, show_collection(ctx.state, collection))


def edit_collection(ctx: Context) -> Answer:
    """Change a collection's name, description or sharing; NONE takes access away."""
    body = ctx.read(CollectionEdit)
    collection = ctx.find("collections", "Collection", ctx.id("collectionId"))
    if not _manages(ctx, collection):
        raise forbidden("Only a manager of the collection may change it")
    _share(ctx, collection, body.sharing.upsert if body.sharing else None)
    if body.name is not None:
        collection["name"] = body.name
    if body.description is not None:
        collection["description"] = body.description
    if body.model_fields_set:
        ctx.changed(collection["id"])
    return Answer(200, show_collection(ctx.state, collection))


def show_collection(state: dict[str, Json], collection: dict[str, Json]) -> dict[str, Json]:
    """Return a collection in Hex's shape; a missing description or creator is left out."""
    sharing = collection["sharing"]
    shown: dict[str, Json] = {
        "id": collection["id"],
        "name": collection["name"],
        "sharing": {
            "users": [{"id": key, "access": level} for key, level in sharing["users"].items()],
            "groups": [
                {"id": key, "access": level}
                for key, level in sharing["groups"].items()
                if key in state["groups"]
            ],
            "workspace": {"members": sharing["members"]},
        },
    }
    if collection["description"] is not None:
        shown["description"] = collection["description"]
    if collection["creator"]:
        shown["creator"] = {**email(state, collection["creator"]), "id": collection["creator"]}
    return shown


def _manages(ctx: Context, collection: dict[str, Json]) -> bool:
    user, sharing = ctx.caller.user, collection["sharing"]
    if user is None or ctx.caller.role == "ADMIN":
        return True
    groups = [level for key, level in sharing["groups"].items() if is_member(ctx.state, key, user)]
    return "MANAGER" in [sharing["users"].get(user), sharing["members"], *groups]


def _share(ctx: Context, collection: dict[str, Json], wanted: CollectionShare | None) -> None:
    if wanted is None:
        return
    grants = [("users", grant) for grant in wanted.users] + [("groups", grant) for grant in wanted.groups]
    unknown = [
        f"sharing.{table}: no {table[:-1]} {g.id}" for table, g in grants if str(g.id) not in ctx.state[table]
    ]
    if unknown:
        raise bad("Unknown users or groups", *unknown)
    for table, grant in grants:
        if grant.access == "NONE":
            collection["sharing"][table].pop(str(grant.id), None)
        else:
            collection["sharing"][table][str(grant.id)] = grant.access
    if wanted.workspace and wanted.workspace.members:
        collection["sharing"]["members"] = wanted.workspace.members
