"""ListProjects, GetProject, UpdateProject."""

from __future__ import annotations

from definable.sandbox.answers import Answer, Json, bad, forbidden
from definable.sandbox.auth import access
from definable.sandbox.bodies import ProjectUpdate
from definable.sandbox.clock import iso, stamp
from definable.sandbox.context import Context, email, uuid_of
from definable.sandbox.paging import page
from definable.sandbox.params import Read, boolean, choice, cursors, text, texts

SORTS = {"CREATED_AT": "createdAt", "LAST_EDITED_AT": "lastEditedAt", "LAST_PUBLISHED_AT": "lastPublishedAt"}
LIST: dict[str, tuple[Read, Json]] = {
    "includeArchived": (boolean, False),
    "includeComponents": (boolean, False),
    "includeTrashed": (boolean, False),
    "includeSharing": (boolean, False),
    "statuses": (texts, []),
    "categories": (texts, []),
    "creatorEmail": (text, None),
    "ownerEmail": (text, None),
    "collectionId": (text, None),
    "sortBy": (choice(*SORTS), "CREATED_AT"),
    "sortDirection": (choice("DESC", "ASC"), "DESC"),
    **cursors(),
}


def list_projects(ctx: Context) -> Answer:
    """Answer with the projects that the caller may see, newest created first unless told otherwise."""
    params = ctx.params(LIST)
    if params["collectionId"]:
        ctx.find("collections", "Collection", uuid_of(params["collectionId"], "collectionId"))
    seen = [
        p
        for p in ctx.state["projects"].values()
        if access(ctx.state, ctx.caller, p) and _wanted(ctx, p, params)
    ]
    order = SORTS[params["sortBy"]]
    name = f"projects/{params['sortBy']}/{params['sortDirection']}"
    values, pagination = page(
        name, seen, lambda p: p[order] or 0.0, params, descending=params["sortDirection"] == "DESC"
    )
    shown = [show_project(ctx.state, p, sharing=params["includeSharing"]) for p in values]
    return Answer(200, {"values": shown, "pagination": pagination})


def get_project(ctx: Context) -> Answer:
    """Answer with one project, its sharing only when asked for."""
    params = ctx.params({"includeSharing": (boolean, False)})
    project = ctx.project(ctx.path["projectId"])
    return Answer(200, show_project(ctx.state, project, sharing=params["includeSharing"]))


def update_project(ctx: Context) -> Answer:
    """Set or take away the project's status; the name must be one of the workspace's."""
    body = ctx.read(ProjectUpdate)
    if ctx.caller.user is None:
        raise forbidden("Workspace tokens cannot edit projects")
    project = ctx.project(ctx.path["projectId"], "CAN_EDIT", "Changing the status")
    if "status" in body.model_fields_set:
        if body.status is not None and body.status not in ctx.state["statuses"]:
            known = ", ".join(ctx.state["statuses"])
            raise bad(
                f"No status named {body.status!r} in this workspace", f"status: expected one of {known}"
            )
        project["status"] = body.status
        ctx.changed(project["id"])
    return Answer(200, show_project(ctx.state, project))


def show_project(state: dict[str, Json], project: dict[str, Json], sharing: bool = False) -> dict[str, Json]:
    """Return a project in Hex's shape; `sharing` names people by e-mail, groups and collections by name."""
    shown: dict[str, Json] = {
        **{field: project[field] for field in ("id", "title", "description", "type")},
        "creator": email(state, project["creator"]),
        "owner": email(state, project["owner"]),
        "status": {"name": project["status"]} if project["status"] else None,
        "categories": [{"name": c, "description": state["categories"].get(c)} for c in project["categories"]],
        "reviews": {"required": project["reviewsRequired"]},
        "analytics": {
            "appViews": dict(project["views"]),
            "lastViewedAt": iso(project["lastViewedAt"]),
            "publishedResultsUpdatedAt": iso(project["resultsUpdatedAt"]),
        },
        "lastEditedAt": stamp(project["lastEditedAt"]),
        "createdAt": stamp(project["createdAt"]),
        **{field: iso(project[field]) for field in ("lastPublishedAt", "archivedAt", "trashedAt")},
        "schedules": [dict(schedule) for schedule in project["schedules"]],
    }
    if sharing:
        shown["sharing"] = show_sharing(state, project["sharing"])
    return shown


def show_sharing(state: dict[str, Json], sharing: dict[str, Json]) -> dict[str, Json]:
    """Return who may do what, in the names that people see."""

    def named(table: str) -> list[tuple[str, str]]:
        return [
            (state[table][key]["name"], level) for key, level in sharing[table].items() if key in state[table]
        ]

    return {
        "users": [{"user": email(state, key), "access": level} for key, level in sharing["users"].items()],
        "collections": [{"collection": {"name": n}, "access": level} for n, level in named("collections")],
        "groups": [{"group": {"name": n}, "access": level} for n, level in named("groups")],
        **{field: {"access": sharing[field]} for field in ("workspace", "publicWeb", "support")},
    }


def _wanted(ctx: Context, project: dict[str, Json], params: dict[str, Json]) -> bool:
    users = ctx.state["users"]
    hidden = (
        (project["archivedAt"] and not params["includeArchived"])
        or (project["trashedAt"] and not params["includeTrashed"])
        or (project["type"] == "COMPONENT" and not params["includeComponents"])
        or (params["statuses"] and project["status"] not in params["statuses"])
        or (params["categories"] and not set(params["categories"]) & set(project["categories"]))
        or (params["creatorEmail"] and users[project["creator"]]["email"] != params["creatorEmail"])
        or (params["ownerEmail"] and users[project["owner"]]["email"] != params["ownerEmail"])
        or (params["collectionId"] and params["collectionId"] not in project["sharing"]["collections"])
    )
    return not hidden
