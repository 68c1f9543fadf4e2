"""`definable tools`: what there is, one tool with its arguments, and one verified call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from definable.cli.app import Group, Session

if TYPE_CHECKING:
    from definable.calls import Receipt
    from definable.cli.follow import Follow
    from definable.cli.screen import Screen
    from definable.engine.runner import Runner
    from definable.spec.toolkit import Tool, Toolkit
    from definable.store import RunRow

SHOWN = ("title", "description", "request", "effect", "needs", "asks", "evidence", "basis", "required")
"""Fields of a tool that are shown to people and programs."""

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


class Tools(Group):
    """A group in which a name that is no command is a tool to show."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; `tools SLUG` is `tools show SLUG`."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            return super().resolve_command(ctx, ["show", *args])
        return super().resolve_command(ctx, args)


@click.group(
    "tools", cls=Tools, invoke_without_command=True, short_help="List the tools, show one, call one."
)
@JSON
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the tools, show one (tools SLUG), or call one (tools call SLUG).

    \b
    definable tools
    definable tools HEX_RUN_PROJECT
    definable tools call HEX_LIST_PROJECTS -i limit=5 --sandbox
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.obj, as_json)


@command.command("list")
@JSON
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the tools of all toolkits."""
    _list(session, as_json)


def _list(session: Session, as_json: bool) -> None:
    screen = session.screen(as_json)
    workspace = session.workspace
    offered = {slug: tool for slug, tool in sorted(workspace.tools().items()) if not tool.internal}
    if as_json:
        rows = [_facts(workspace.toolkit_of(slug), slug, tool) for slug, tool in offered.items()]
        brief = ("slug", "toolkit", "title", "description", "effect", "asks", "evidence")
        screen.data([{key: row[key] for key in brief} for row in rows])
        return
    width = max(map(len, offered), default=0)
    for slug, tool in offered.items():
        asks = ", asks a person" if tool.asks else ""
        screen.result(f"{slug:<{width}}  {tool.effect.value:<6}  {tool.title}{asks}")
    if not offered:
        screen.say("no tools here; toolkits are files in tools/")


@command.command("show")
@click.argument("slug")
@JSON
@click.pass_obj
def show(session: Session, slug: str, as_json: bool) -> None:
    """Show the tool SLUG: what it does, how that is verified, and its arguments."""
    screen = session.screen(as_json)
    exact, toolkit, tool = _find(session, slug)
    if as_json:
        screen.data(_facts(toolkit, exact, tool))
        return
    for line in _described(toolkit, exact, tool):
        screen.result(line)


@command.command("call")
@click.argument("slug")
@click.option("-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="One argument; repeatable.")
@click.option("--inputs", type=click.Path(path_type=Path), metavar="FILE.json", help="Arguments as JSON.")
@click.option("--sandbox", is_flag=True, help="Call a simulator, not the real service.")
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="Faults of the sandbox.")
@click.option("--yes", is_flag=True, help="Approve the call ahead.")
@click.option("--data", is_flag=True, help="Print the verified result; --json always does.")
@JSON
@click.pass_obj
def call(
    session: Session,
    slug: str,
    pairs: tuple[str, ...],
    inputs: Path | None,
    sandbox: bool,
    faults: Path | None,
    yes: bool,
    data: bool,
    as_json: bool,
) -> int:
    """Make one verified call of the tool SLUG and print its receipt."""
    from definable.cli.follow import INTERRUPTED, Follow
    from definable.cli.keys import need_keys
    from definable.cli.pairs import read_object, split, typed
    from definable.engine.options import Options
    from definable.errors import UsageError
    from definable.sandbox import Faults
    from definable.spec.inputs import unwritable

    screen = session.screen(as_json)
    exact, toolkit, tool = _find(session, slug)
    given: dict[str, Any] = read_object(inputs) if inputs else {}
    for key, text in split(pairs).items():
        given[key] = typed(text, argument(toolkit, tool, key))
    for key, value in given.items():
        if wrong := unwritable(value):
            raise UsageError(f"{exact}: {key}: {wrong}")
    options = Options(sandbox=sandbox or faults is not None, faults=faults)
    if faults is not None:
        Faults.load(faults)
    if not options.sandbox:
        need_keys(session, [toolkit])

    async def go(runner: Runner, follow: Follow) -> RunRow:
        row, _ = await runner.call(exact, given, follow, approve=yes)
        return row

    report = Follow(session, screen, options, [("call", exact)], quiet=True).carry(go)
    if report is None:
        return INTERRUPTED
    if not report.receipts:
        report.show(screen, data=data)
        return report.exit_code
    show_receipt(screen, report.receipts[0], data=data)
    return code(report.receipts[0])


def _find(session: Session, slug: str) -> tuple[str, Toolkit, Tool]:
    from definable.errors import UsageError
    from definable.spec.nearest import suggest

    tools = session.workspace.tools()
    exact = slug if slug in tools else slug.upper()
    if exact not in tools or tools[exact].internal:
        names = [name for name, tool in tools.items() if not tool.internal]
        raise UsageError(
            f"there is no tool {slug!r}{suggest(slug, names, most=0)}", hint="all of them: definable tools"
        )
    return exact, session.workspace.toolkit_of(exact), tools[exact]


def _facts(toolkit: Toolkit, slug: str, tool: Tool) -> dict[str, Any]:
    facts = tool.model_dump(
        mode="json",
        by_alias=True,
        include={
            "title",
            "description",
            "request",
            "effect",
            "needs",
            "asks",
            "evidence",
            "basis",
            "required",
        },
    )
    arguments: dict[str, Any] = {
        "type": "object",
        "properties": tool.arguments,
        "required": list(tool.required),
        "additionalProperties": False,
    }
    if "#/$defs/" in json.dumps(arguments):
        arguments["$defs"] = toolkit.shapes
    return {"slug": slug, "toolkit": toolkit.toolkit, **facts, "arguments": arguments}


def _described(toolkit: Toolkit, slug: str, tool: Tool) -> list[str]:
    from definable.cli import words

    lines = [f"{slug}: {tool.title} ({toolkit.title}, {tool.request})", "", tool.description.strip(), ""]
    lines.append(f"effect    {tool.effect.value}{', asks a person first' if tool.asks else ''}")
    if tool.effect.writes and tool.evidence:
        lines.append(f"verified  {words.EVIDENCE[tool.evidence.value]}")
    lines += [f"          {tool.basis}"] if tool.basis else []
    lines += [f"needs     {tool.needs}"] if tool.needs else []
    lines += ["", "arguments (* required)"] if tool.arguments else ["", "no arguments"]
    width = max(map(len, tool.arguments), default=0)
    for name, schema in tool.arguments.items():
        star = "*" if name in tool.required else " "
        about = words.short(str(schema.get("description", "")), 200)
        lines.append(f"{star} {name:<{width}}  {_kind(schema)}{f'  {about}' if about else ''}")
    needed = "".join(f" -i {name}=…" for name in tool.required)
    return [*lines, "", f"definable tools call {slug}{needed} --sandbox"]


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", str(schema.get("$ref", "any")).rpartition("/")[2])
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def argument(toolkit: Toolkit, tool: Tool, key: str) -> dict[str, Any]:
    """The JSON Schema of an argument, by its own name or in snake_case."""
    folded = {name.replace("_", "").casefold(): schema for name, schema in tool.arguments.items()}
    schema = folded.get(key.replace("_", "").casefold(), {})
    while "$ref" in schema:
        schema = toolkit.shapes.get(str(schema["$ref"]).rpartition("/")[2], {})
    return schema


def show_receipt(screen: Screen, receipt: Receipt, *, data: bool) -> None:
    """Write one receipt to stdout."""
    from definable.cli import words

    if screen.json:
        screen.data(receipt.brief(data=True))
        return
    if data:
        screen.result(json.dumps(receipt.result, ensure_ascii=False, indent=2))
    screen.result(f"{receipt.tool}: {receipt.status.replace('_', ' ')}")
    if receipt.evidence:
        screen.result(f"  known by  {receipt.evidence.value}: {words.EVIDENCE[receipt.evidence.value]}")
    if receipt.message:
        screen.result(f"  {'because' if receipt.status != 'verified' else 'note':<8}  {receipt.message}")
    if receipt.decided_by:
        ahead = receipt.decided_by == "answered ahead"
        screen.result(f"  decided   {'ahead, with --yes' if ahead else f'by {receipt.decided_by}'}")
    screen.result(f"  sent      {words.plural(receipt.attempts, 'time')}")
    for heal in words.heals(receipt.brief()):
        screen.result(f"  healed    {heal}")
    if receipt.link:
        screen.result(f"  link      {receipt.link}")
    if not data and receipt.result is not None:
        lines = words.listing(receipt.result) or [words.compact(receipt.result, 160)]
        screen.result(f"  result    {lines[0]}")
        for line in lines[1:]:
            screen.result(f"            {line}")
        screen.say("the whole result: --data")


def code(receipt: Receipt) -> int:
    """0 verified, 3 a person has to look, 5 keys or a service that is not there, else 1."""
    if receipt.status == "verified":
        return 0
    if receipt.status == "needs_review":
        return 3
    upstream = {"auth_expired", "no_credentials", "network", "upstream_5xx", "wrong_host"}
    return 5 if receipt.failure.value in upstream else 1
