"""Arguments for each Hex tool that fit the seeded world, for tests of every ring."""

from __future__ import annotations

from typing import Any

from definable.sandbox import World


def arguments(world: World) -> dict[str, dict[str, Any]]:
    """Return arguments by slug that fit a freshly seeded world; plants a run that is under way."""
    project = published(world)
    user = _some(world, "users", role="EDITOR")
    group, collection = _some(world, "groups"), _some(world, "collections")
    code = _some(world, "cells", cellType="CODE")
    draft = next(key for key, g in world.state["guides"].items() if g["draft"] is not None)
    running = {"projectId": project, "runId": _running(world, project)}
    grant = {"access": "CAN_VIEW"}
    return {
        "HEX_CANCEL_RUN": running,
        "HEX_CREATE_CELL": {
            "project_id": project,
            "cellType": "MARKDOWN",
            "label": "Brief",
            "contents": {"markdownCell": {"source": "# Brief"}},
        },
        "HEX_CREATE_COLLECTION": {
            "name": "Board",
            "description": "For the board",
            "sharing": {"users": [{"id": user, "access": "MEMBER"}], "workspace": {"members": "MEMBER"}},
        },
        "HEX_CREATE_GROUP": {"name": "Auditors", "members": {"users": [{"id": user}]}},
        "HEX_DEACTIVATE_USER": {"userId": user},
        "HEX_DELETE_CELL": {"cellId": code},
        "HEX_DELETE_GROUP": {"groupId": group},
        "HEX_DELETE_GUIDE_DRAFT": {"orgGuideFileId": draft},
        "HEX_EDIT_COLLECTION": {
            "collectionId": collection,
            "name": "Renamed",
            "sharing": {"upsert": {"groups": [{"id": group, "access": "MANAGER"}]}},
        },
        "HEX_EDIT_GROUP": {
            "groupId": group,
            "name": "Renamed",
            "members": {"add": {"users": [{"id": user}]}},
        },
        "HEX_EDIT_PROJECT_SHARING_COLLECTIONS": {
            "projectId": project,
            "sharing": {"upsert": {"collections": [{"collection": {"id": collection}, **grant}]}},
        },
        "HEX_EDIT_PROJECT_SHARING_GROUPS": {
            "projectId": project,
            "sharing": {"upsert": {"groups": [{"group": {"id": group}, **grant}]}},
        },
        "HEX_EDIT_PROJECT_SHARING_ORG_AND_PUBLIC": {
            "projectId": project,
            "sharing": {"workspace": "APP_ONLY", "publicWeb": "NONE"},
        },
        "HEX_EDIT_PROJECT_SHARING_USERS": {
            "projectId": project,
            "sharing": {"upsert": {"users": [{"user": {"id": user}, **grant}]}},
        },
        "HEX_GET_CELL": {"cellId": code},
        "HEX_GET_COLLECTION": {"collectionId": collection},
        "HEX_GET_GROUP": {"groupId": group},
        "HEX_GET_PROJECT": {
            "projectId": f"https://app.hex.tech/x/hex/{project}/draft",
            "includeSharing": True,
        },
        "HEX_GET_PROJECT_RUNS": {"projectId": project},
        "HEX_GET_RUN_STATUS": running,
        "HEX_LIST_CELLS": {"projectId": project},
        "HEX_LIST_COLLECTIONS": {},
        "HEX_LIST_DATA_CONNECTIONS": {},
        "HEX_LIST_GROUPS": {},
        "HEX_LIST_PROJECTS": {"statuses": ["Production", "Approved"], "includeSharing": True},
        "HEX_LIST_USERS": {},
        "HEX_PUBLISH_GUIDE_DRAFTS": {"publishAllDraftGuides": True},
        "HEX_RUN_PROJECT": {"projectId": project},
        "HEX_UPDATE_CELL": {"cellId": code, "contents": {"codeCell": {"source": "print(2)"}}},
        "HEX_UPDATE_PROJECT": {"projectId": project, "status": None},
        "HEX_UPSERT_GUIDE_DRAFT": {"files": [{"filePath": "guides/new.md", "contents": "# New"}]},
        "HEX_ME": {},
        "HEX_LIST_DRAFT_GUIDES": {},
    }


def published(world: World) -> str:
    """Return the id of a published project whose runs complete."""
    rows = world.state["projects"].items()
    return next(
        str(key)
        for key, p in rows
        if p["version"] is not None
        and p["type"] == "PROJECT"
        and not p["archivedAt"]
        and not p["trashedAt"]
        and p["character"]["outcome"] == "COMPLETED"
    )


def _some(world: World, table: str, **match: Any) -> str:
    rows = world.state[table].items()
    return next(str(key) for key, row in rows if all(row[name] == value for name, value in match.items()))


def _running(world: World, project: str) -> str:
    """Plant a run that is under way."""
    key = world.new_id()
    world.state["runs"][key] = {
        **next(iter(world.state["runs"].values())),
        "id": key,
        "projectId": project,
        "trigger": "API",
        "asked": world.now() - 1,
        "pending": 0.0,
        "seconds": 3600.0,
        "outcome": "COMPLETED",
        "killed": None,
    }
    return key
