"""`definable keys grant`, `grants`, `revoke`: the keys of this service, for those who call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.service.access import Level
    from definable.store import Store

SCOPES = ("viewer", "operator", "approver", "admin")

DATABASE = click.option(
    "--database", metavar="URL", help="postgresql://…; otherwise DEFINABLE_DATABASE, or a file."
)


@click.command("grant")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="operator",
    show_default=True,
    help="What it may be used for.",
)
@DATABASE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def grant(session: Session, name: str, scope: Level, database: str | None, as_json: bool) -> int:
    """Make a key of the service, and print it this once: what is kept is a hash of it.

    A viewer may look, an operator start and stop runs, an approver answer questions, an admin manage keys and
    webhooks. The first has to be an admin's: from then on every request to the service needs a key.
    """
    from definable.service.access import grant as made

    screen = session.screen(as_json)
    with _store(session, database) as store:
        key, row = made(store, name, scope)
    if as_json:
        screen.data({"id": row.id, "name": row.name, "scope": row.scope, "key": key})
        return 0
    screen.result(key)
    screen.say(f"{row.name} is {row.scope}; the key is shown this once: Authorization: Bearer dfn_…")
    return 0


@click.command("grants")
@DATABASE
@click.option("--json", "as_json", is_flag=True, help="Print a list, one object for each key.")
@click.pass_obj
def grants(session: Session, database: str | None, as_json: bool) -> int:
    """List the keys of the service that are good, without the keys themselves."""
    screen = session.screen(as_json)
    with _store(session, database) as store:
        rows = store.clients()
    if as_json:
        names = {"id", "name", "scope", "created_at"}
        screen.data([row.model_dump(mode="json", include=names) for row in rows])
        return 0
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        screen.result(f"{row.id}  {row.name:<{width}}  {row.scope:<8}  since {row.created_at[:10]}")
    if not rows:
        screen.say("no keys: the service listens to this machine only. Make one: definable keys grant NAME")
    return 0


@click.command("revoke")
@click.argument("key", metavar="ID_OR_NAME")
@DATABASE
@click.pass_obj
def revoke(session: Session, key: str, database: str | None) -> int:
    """Take a key of the service back; it is refused from the next second on."""
    screen = session.screen()
    with _store(session, database) as store:
        row = store.revoke(key)
        left = store.clients()
    screen.result(f"revoked {row.id}  {row.name}")
    if left and not any(each.scope == "admin" for each in left):
        screen.say("no admin's key is left: make another one, definable keys grant NAME --scope admin")
    return 0


def _store(session: Session, database: str | None) -> Store:
    from definable.store import open_store, place

    if database is not None:
        session.database(database)
    return open_store(place(session.home, session.settings.database))
