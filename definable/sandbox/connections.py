"""ListDataConnections."""

from __future__ import annotations

from definable.sandbox.answers import Answer, Json
from definable.sandbox.context import Context
from definable.sandbox.paging import page
from definable.sandbox.params import choice, cursors


def list_connections(ctx: Context) -> Answer:
    """Answer with the data connections in their basic form, without any connection details."""
    params = ctx.params(
        {
            "sortBy": (choice("NAME", "CREATED_AT"), "NAME"),
            "sortDirection": (choice("ASC", "DESC"), "ASC"),
            **cursors(),
        }
    )
    by_name = params["sortBy"] == "NAME"
    values, pagination = page(
        f"connections/{params['sortBy']}/{params['sortDirection']}",
        list(ctx.state["connections"].values()),
        lambda c: c["name"].lower() if by_name else c["createdAt"],
        params,
        descending=params["sortDirection"] == "DESC",
    )
    return Answer(200, {"values": [_show(c) for c in values], "pagination": pagination})


def _show(connection: dict[str, Json]) -> dict[str, Json]:
    return {
        field: connection[field]
        for field in ("id", "name", "type", "description")
        if connection[field] is not None
    }
