"""CreateCell, ListCells, GetCell, UpdateCell, DeleteCell: the draft's cells."""

from __future__ import annotations

from uuid import UUID

from definable.sandbox.answers import Answer, Json, bad, missing
from definable.sandbox.auth import access, needs
from definable.sandbox.bodies import CellCreate, CellUpdate, Contents, Location
from definable.sandbox.context import Context
from definable.sandbox.paging import page
from definable.sandbox.params import cursors, text

FIELDS = {"CODE": "codeCell", "SQL": "sqlCell", "MARKDOWN": "markdownCell"}
"""Which field of `contents` belongs to which type. Other types (charts, inputs) show no contents."""


def list_cells(ctx: Context) -> Answer:
    """Answer with the draft's cells in notebook order."""
    params = ctx.params({"projectId": (text, None), **cursors()}, required=("projectId",))
    project = ctx.project(params["projectId"], "CAN_VIEW", "Reading cells")
    cells = cells_of(ctx.state, project["id"])
    values, pagination = page(f"cells/{project['id']}", cells, lambda c: c["rank"], params)
    return Answer(200, {"values": [show_cell(c) for c in values], "pagination": pagination})


def get_cell(ctx: Context) -> Answer:
    """Answer with one cell."""
    return Answer(200, show_cell(_cell(ctx, "CAN_VIEW", "Reading cells")))


def create_cell(ctx: Context) -> Answer:
    """Add a cell to the draft, at its end or where `location` says."""
    body = ctx.read(CellCreate)
    project = ctx.project(str(body.projectId), "CAN_EDIT", "Creating a cell")
    field = FIELDS[body.cellType]
    _only(body.contents, field, f"a {body.cellType} cell")
    rank, parent = _place(ctx, project["id"], body.location)
    sql = body.contents.sqlCell
    connection = _connection(ctx, sql.dataConnectionId if sql else None)
    key = ctx.world.new_id()
    cell = {
        "id": key,
        "staticId": ctx.world.new_id(),
        "cellType": body.cellType,
        "label": body.label,
        "dataConnectionId": connection,
        "source": getattr(body.contents, field).source,
        "output": _output(ctx, sql.outputDataframe if sql else None) if body.cellType == "SQL" else None,
        "projectId": project["id"],
        "parent": parent,
        "rank": rank,
    }
    ctx.state["cells"][key] = cell
    _edited(ctx, project["id"], key)
    return Answer(200, show_cell(cell))


def update_cell(ctx: Context) -> Answer:
    """Change a cell's source, output name or data connection."""
    body = ctx.read(CellUpdate)
    cell = _cell(ctx, "CAN_EDIT", "Changing a cell")
    sets_connection = "dataConnectionId" in body.model_fields_set
    if sets_connection and cell["cellType"] != "SQL":
        raise bad("Only SQL cells have a data connection", "dataConnectionId: not for this cell")
    connection = _connection(ctx, body.dataConnectionId)
    field = FIELDS.get(cell["cellType"])
    if body.contents is not None:
        if field is None:
            raise bad(f"The contents of a {cell['cellType']} cell cannot be changed over the API")
        _only(body.contents, field, f"this {cell['cellType']} cell")
        cell["source"] = getattr(body.contents, field).source
        if body.contents.sqlCell and body.contents.sqlCell.outputDataframe:
            cell["output"] = body.contents.sqlCell.outputDataframe
    if sets_connection:
        cell["dataConnectionId"] = connection
    if sets_connection or body.contents is not None:
        _edited(ctx, cell["projectId"], cell["id"])
    return Answer(200, show_cell(cell))


def delete_cell(ctx: Context) -> Answer:
    """Delete a cell from the draft; cells inside it go with it."""
    cell = _cell(ctx, "CAN_EDIT", "Deleting a cell")
    for key in [k for k, c in ctx.state["cells"].items() if c["parent"] == cell["id"] or k == cell["id"]]:
        del ctx.state["cells"][key]
    _edited(ctx, cell["projectId"], cell["id"])
    return Answer(200, {"cellId": cell["id"]})


def cells_of(state: dict[str, Json], project: str) -> list[dict[str, Json]]:
    """Return a project's cells in notebook order."""
    return sorted((c for c in state["cells"].values() if c["projectId"] == project), key=lambda c: c["rank"])


def show_cell(cell: dict[str, Json]) -> dict[str, Json]:
    """Return a cell in Hex's shape: of the three contents, two or all are null."""
    contents: dict[str, Json] = dict.fromkeys(FIELDS.values())
    if field := FIELDS.get(cell["cellType"]):
        contents[field] = {"source": cell["source"]}
        if field == "sqlCell":
            contents[field]["outputDataframe"] = cell["output"]
    shown = {
        name: cell[name] for name in ("id", "staticId", "cellType", "label", "dataConnectionId", "projectId")
    }
    return {**shown, "contents": contents}


def _cell(ctx: Context, wanted: str, what: str) -> dict[str, Json]:
    key = ctx.id("cellId")
    cell = ctx.state["cells"].get(key)
    level = access(ctx.state, ctx.caller, ctx.state["projects"][cell["projectId"]]) if cell else 0
    if cell is None or level == 0:
        raise missing("Cell", key)
    needs(level, wanted, what)
    return cell  # type: ignore[no-any-return]


def _only(contents: Contents, field: str, what: str) -> None:
    given = [name for name in FIELDS.values() if getattr(contents, name) is not None]
    if given != [field]:
        raise bad(
            f"The contents do not fit {what}",
            f"contents: expected only {field}, got {', '.join(given) or 'none'}",
        )


def _connection(ctx: Context, key: UUID | None) -> str | None:
    if key is None:
        return None
    if str(key) not in ctx.state["connections"]:
        raise bad("Unknown data connection", f"dataConnectionId: no data connection {key}")
    return str(key)


def _place(ctx: Context, project: str, location: Location | None) -> tuple[float, str | None]:
    cells = cells_of(ctx.state, project)
    last: float = cells[-1]["rank"] + 1.0 if cells else 0.0
    if location is None:
        return last, None
    wanted = {"insertAfterCellId": location.insertAfterCellId, "parentCellId": location.parentCellId}
    for name, key in wanted.items():
        if key is not None and str(key) not in {c["id"] for c in cells}:
            raise bad("Unknown location", f"location.{name}: no cell {key} in this project")
    parent = str(location.parentCellId) if location.parentCellId else None
    if location.insertAfterCellId:
        return _after(cells, str(location.insertAfterCellId)), parent
    if parent and location.childPosition == "FIRST":
        return _after(cells, parent), parent
    if parent:
        family = [c["id"] for c in cells if parent in (c["id"], c["parent"])]
        return _after(cells, family[-1]), parent
    return last, None


def _after(cells: list[dict[str, Json]], key: str) -> float:
    index = next(i for i, c in enumerate(cells) if c["id"] == key)
    here: float = cells[index]["rank"]
    there: float = cells[index + 1]["rank"] if index + 1 < len(cells) else here + 2.0
    return (here + there) / 2


def _output(ctx: Context, wanted: str | None) -> str:
    return wanted or f"dataframe_{ctx.state['serial']}"


def _edited(ctx: Context, project: str, cell: str) -> None:
    ctx.state["projects"][project]["lastEditedAt"] = ctx.world.now()
    ctx.changed(cell)
