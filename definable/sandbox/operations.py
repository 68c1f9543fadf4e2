"""The operations of Hex's API that the sandbox knows: where they are, and who handles them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from definable.sandbox import cells, collections, connections, groups, guides, projects, runs, sharing, users
from definable.sandbox.answers import Answer, Envelope
from definable.sandbox.context import Context

Handler = Callable[[Context], Answer]
OLD, NEW = Envelope.OLDER, Envelope.NEWER


@dataclass(frozen=True)
class Operation:
    """One operation. `group` is its rate group (None: only the user's quota), `scope` a workspace token's."""

    tool: str
    method: str
    path: str
    handler: Handler
    envelope: Envelope
    group: str | None
    scope: str
    role: str = "EDITOR"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The path as a regular expression with the names of its parameters."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    @property
    def reads(self) -> bool:
        """Whether it only looks."""
        return self.method == "GET"


P, R, C, CI = "/v1/projects", "/v1/projects/{projectId}/runs", "/v1/cells", "/v1/cells/{cellId}"
S, G, GI = "/v1/projects/{projectId}/sharing", "/v1/groups", "/v1/groups/{groupId}"
K, KI = "/v1/collections", "/v1/collections/{collectionId}"
API, RPM, RUN = "hex-api", "hex-api-30rpm", "hex-run-kernel"

OPERATIONS: tuple[Operation, ...] = (
    Operation("HEX_LIST_PROJECTS", "GET", P, projects.list_projects, OLD, None, "projects:read"),
    Operation("HEX_GET_PROJECT", "GET", P + "/{projectId}", projects.get_project, NEW, API, "projects:read"),
    Operation(
        "HEX_UPDATE_PROJECT", "PATCH", P + "/{projectId}", projects.update_project, NEW, API, "projects:write"
    ),
    Operation(
        "HEX_EDIT_PROJECT_SHARING_COLLECTIONS",
        "PATCH",
        S + "/collections",
        sharing.share_collections,
        OLD,
        None,
        "projects:write",
    ),
    Operation(
        "HEX_EDIT_PROJECT_SHARING_GROUPS",
        "PATCH",
        S + "/groups",
        sharing.share_groups,
        NEW,
        API,
        "projects:write",
    ),
    Operation(
        "HEX_EDIT_PROJECT_SHARING_USERS",
        "PATCH",
        S + "/users",
        sharing.share_users,
        NEW,
        RPM,
        "projects:write",
    ),
    Operation(
        "HEX_EDIT_PROJECT_SHARING_ORG_AND_PUBLIC",
        "PATCH",
        S + "/workspaceAndPublic",
        sharing.share_org,
        NEW,
        API,
        "projects:write",
    ),
    Operation("HEX_RUN_PROJECT", "POST", R, runs.run_project, NEW, RUN, "projects:run"),
    Operation("HEX_GET_PROJECT_RUNS", "GET", R, runs.get_project_runs, NEW, API, "projects:read"),
    Operation("HEX_GET_RUN_STATUS", "GET", R + "/{runId}", runs.get_run_status, NEW, API, "projects:read"),
    Operation("HEX_CANCEL_RUN", "DELETE", R + "/{runId}", runs.cancel_run, OLD, None, "projects:run"),
    Operation("HEX_CREATE_CELL", "POST", C, cells.create_cell, NEW, RPM, "projects:write"),
    Operation("HEX_LIST_CELLS", "GET", C, cells.list_cells, NEW, RPM, "projects:read"),
    Operation("HEX_GET_CELL", "GET", CI, cells.get_cell, NEW, RPM, "projects:read"),
    Operation("HEX_UPDATE_CELL", "PATCH", CI, cells.update_cell, NEW, RPM, "projects:write"),
    Operation("HEX_DELETE_CELL", "DELETE", CI, cells.delete_cell, NEW, RPM, "projects:write"),
    Operation("HEX_LIST_COLLECTIONS", "GET", K, collections.list_collections, OLD, None, "collections:read"),
    Operation(
        "HEX_CREATE_COLLECTION", "POST", K, collections.create_collection, OLD, None, "collections:write"
    ),
    Operation("HEX_GET_COLLECTION", "GET", KI, collections.get_collection, OLD, None, "collections:read"),
    Operation(
        "HEX_EDIT_COLLECTION", "PATCH", KI, collections.edit_collection, OLD, None, "collections:write"
    ),
    Operation("HEX_LIST_GROUPS", "GET", G, groups.list_groups, OLD, None, "groups:read"),
    Operation("HEX_CREATE_GROUP", "POST", G, groups.create_group, OLD, None, "groups:write", "ADMIN"),
    Operation("HEX_GET_GROUP", "GET", GI, groups.get_group, OLD, None, "groups:read"),
    Operation("HEX_EDIT_GROUP", "PATCH", GI, groups.edit_group, OLD, None, "groups:write", "ADMIN"),
    Operation("HEX_DELETE_GROUP", "DELETE", GI, groups.delete_group, OLD, None, "groups:write", "ADMIN"),
    Operation("HEX_LIST_USERS", "GET", "/v1/users", users.list_users, NEW, RPM, "users:read"),
    Operation("HEX_ME", "GET", "/v1/users/me", users.me, NEW, RPM, ""),
    Operation(
        "HEX_DEACTIVATE_USER",
        "POST",
        "/v1/users/{userId}/deactivate",
        users.deactivate_user,
        NEW,
        RPM,
        "users:write",
        "ADMIN",
    ),
    Operation(
        "HEX_UPSERT_GUIDE_DRAFT", "PUT", "/v1/guides/draft", guides.upsert_drafts, OLD, None, "guides:write"
    ),
    Operation(
        "HEX_LIST_DRAFT_GUIDES", "GET", "/v1/guides/draft/list", guides.list_drafts, NEW, RPM, "guides:write"
    ),
    Operation(
        "HEX_DELETE_GUIDE_DRAFT",
        "DELETE",
        "/v1/guides/draft/{orgGuideFileId}",
        guides.delete_draft,
        OLD,
        None,
        "guides:write",
    ),
    Operation(
        "HEX_PUBLISH_GUIDE_DRAFTS",
        "POST",
        "/v1/guides/publish",
        guides.publish_drafts,
        OLD,
        None,
        "guides:write",
        "MANAGER",
    ),
    Operation(
        "HEX_LIST_DATA_CONNECTIONS",
        "GET",
        "/v1/data-connections",
        connections.list_connections,
        NEW,
        API,
        "data-connections:read",
    ),
)

SLUGS = tuple(operation.tool for operation in OPERATIONS)
BY_TOOL = {operation.tool: operation for operation in OPERATIONS}


def match(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Return the operation at a method and path (without `/api`) and its path parameters, or None."""
    for operation in OPERATIONS:
        if operation.method == method and (found := operation.pattern.fullmatch(path)):
            return operation, found.groupdict()
    return None
