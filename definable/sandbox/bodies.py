"""Request bodies, as far as Hex's reference describes them. Unknown fields are ignored, as Hex does."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Access = Literal["NONE", "APP_ONLY", "CAN_VIEW", "CAN_EDIT", "FULL_ACCESS"]
CollectionAccess = Literal["NONE", "MEMBER", "MANAGER"]
Name = Annotated[str, StringConstraints(min_length=1)]


class Part(BaseModel):
    """Base of every body: types are strict, field names are Hex's."""

    model_config = ConfigDict(strict=True, frozen=True)


class Ref(Part):
    """Something named by its id."""

    id: UUID


class ProjectUpdate(Part):
    """UpdateProject: `status` null removes it, absent leaves it."""

    status: str | None = None


class UserAccess(Part):
    """One entry of EditProjectSharingUsers."""

    user: Ref
    access: Access


class GroupAccess(Part):
    """One entry of EditProjectSharingGroups."""

    group: Ref
    access: Access


class CollectionProjectAccess(Part):
    """One entry of EditProjectSharingCollections."""

    collection: Ref
    access: Access


class UsersUpsert(Part):
    """At most 25 users."""

    users: list[UserAccess] = Field(max_length=25)


class GroupsUpsert(Part):
    """At most 25 groups."""

    groups: list[GroupAccess] = Field(max_length=25)


class CollectionsUpsert(Part):
    """At most 25 collections."""

    collections: list[CollectionProjectAccess] = Field(max_length=25)


class UsersSharing(Part):
    """`sharing` of EditProjectSharingUsers."""

    upsert: UsersUpsert


class GroupsSharing(Part):
    """`sharing` of EditProjectSharingGroups."""

    upsert: GroupsUpsert


class CollectionsSharing(Part):
    """`sharing` of EditProjectSharingCollections."""

    upsert: CollectionsUpsert


class OrgSharing(Part):
    """`sharing` of EditProjectSharingOrgAndPublic; absent fields stay as they are."""

    workspace: Access | None = None
    publicWeb: Access | None = None


class ShareUsers(Part):
    """EditProjectSharingUsers."""

    sharing: UsersSharing


class ShareGroups(Part):
    """EditProjectSharingGroups."""

    sharing: GroupsSharing


class ShareCollections(Part):
    """EditProjectSharingCollections."""

    sharing: CollectionsSharing


class ShareOrg(Part):
    """EditProjectSharingOrgAndPublic."""

    sharing: OrgSharing


class Source(Part):
    """Source of a code or Markdown cell."""

    source: str


class SqlSource(Part):
    """Source of a SQL cell."""

    source: str
    dataConnectionId: UUID | None = None
    isDataframeSql: bool = False
    outputDataframe: str | None = None


class Contents(Part):
    """Contents of a cell: exactly one of the three."""

    codeCell: Source | None = None
    sqlCell: SqlSource | None = None
    markdownCell: Source | None = None


class Location(Part):
    """Where a new cell goes."""

    insertAfterCellId: UUID | None = None
    parentCellId: UUID | None = None
    childPosition: Literal["FIRST", "LAST"] | None = None


class CellCreate(Part):
    """CreateCell."""

    projectId: UUID
    cellType: Literal["CODE", "SQL", "MARKDOWN"]
    label: str | None = None
    contents: Contents
    location: Location | None = None


class CellUpdate(Part):
    """UpdateCell: `dataConnectionId` null takes the connection away, absent leaves it."""

    dataConnectionId: UUID | None = None
    contents: Contents | None = None


class Notification(Part):
    """Who hears of a run's end."""

    type: Literal["SUCCESS", "FAILURE", "ALL"]
    includeSuccessScreenshot: bool
    screenshotFormat: Literal["png", "pdf"] | None = None
    slackChannelIds: list[str] = []
    userIds: list[UUID] = []
    groupIds: list[UUID] = []
    subject: str | None = None
    body: str | None = None


class RunStart(Part):
    """RunProject. `inputParams` null is told from absent: Hex refuses the one and takes the other."""

    inputParams: dict[str, Any] | None = None
    dryRun: bool = False
    updateCache: bool | None = None
    notifications: list[Notification] = []
    updatePublishedResults: bool = False
    useCachedSqlResults: bool = True
    viewId: str | None = None


class Grant(Part):
    """Access of one user or group to a collection."""

    id: UUID
    access: CollectionAccess


class Members(Part):
    """Access of everybody in the workspace to a collection."""

    members: CollectionAccess | None = None


class CollectionShare(Part):
    """Sharing of a collection."""

    users: list[Grant] = []
    groups: list[Grant] = []
    workspace: Members | None = None


class CollectionUpsert(Part):
    """`sharing` of EditCollection."""

    upsert: CollectionShare | None = None


class CollectionCreate(Part):
    """CreateCollection."""

    name: Name
    description: str | None = None
    sharing: CollectionShare | None = None


class CollectionEdit(Part):
    """EditCollection; absent fields stay as they are."""

    name: Name | None = None
    description: str | None = None
    sharing: CollectionUpsert | None = None


class People(Part):
    """At most 100 users."""

    users: list[Ref] = Field([], max_length=100)


class GroupCreate(Part):
    """CreateGroup."""

    name: Name
    members: People | None = None


class MembersEdit(Part):
    """Members to add and to remove."""

    add: People | None = None
    remove: People | None = None


class GroupEdit(Part):
    """EditGroup; absent fields stay as they are."""

    name: Name | None = None
    members: MembersEdit | None = None


class ExternalSource(Part):
    """Where a guide's file is kept outside of Hex."""

    source: Any
    id: str | None = None
    owner: str | None = None
    repo: str | None = None
    base: str | None = None
    branch: str | None = None
    commitHash: str | None = None
    path: str | None = None


class GuideFile(Part):
    """One file of UpsertGuideDraft."""

    filePath: Name
    contents: str = Field(max_length=100_000)
    externalSource: ExternalSource | None = None


class GuidesUpsert(Part):
    """UpsertGuideDraft."""

    files: list[GuideFile]
    forceWrite: bool = False


class GuidesPublish(Part):
    """PublishGuideDrafts: all drafts, or those named."""

    orgGuideFileIds: list[UUID] | None = None
    publishAllDraftGuides: bool = False
