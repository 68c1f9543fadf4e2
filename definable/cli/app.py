"""The root command: global options, the list of commands, and what a command is given."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from definable import __version__
from definable.cli.screen import Screen
from definable.errors import StoreError, UsageError

if TYPE_CHECKING:
    from definable.settings import Settings
    from definable.workspace import Workspace

EPILOG = """\b
Results go to stdout, progress to stderr; --json makes the last line of stdout one JSON value.
Exit codes: 0 done, 1 failed or cancelled, 2 wrong use or definition, 3 waiting for somebody,
4 a limit was reached, 5 keys or a service that cannot be reached, 130 interrupted.

\b
Start here:  definable init demo && cd demo && definable run hello --sandbox
"""


@dataclass
class Session:
    """What every command is given: the environment, and the workspace once it is needed."""

    environ: Mapping[str, str]
    folder: Path | None = None

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace around the current folder, or the one that was named."""
        from definable.workspace import find

        return find(here(), self.environ, self.folder)

    @cached_property
    def settings(self) -> Settings:
        """The settings in the environment."""
        from definable.settings import Settings

        return Settings.read(self.environ)

    @cached_property
    def home(self) -> Path:
        """The folder for state, made when it is not there. StoreError when that cannot be."""
        home = self.workspace.home
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the folder {str(home)!r} for state: {error.strerror}",
                hint="DEFINABLE_HOME names another place",
            ) from error
        return home

    def database(self, url: str) -> None:
        """Go by this database instead of the one in the environment. UsageError when it is none."""
        from definable.settings import Settings

        self.environ = {**self.environ, "DEFINABLE_DATABASE": url}
        self.__dict__["settings"] = Settings.read(self.environ)

    def screen(self, json: bool = False) -> Screen:
        """Return the streams for one command."""
        return Screen(self.environ, json=json)


def here() -> Path:
    """Return the current folder. UsageError when it is gone."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more", hint="go to another: cd ~") from error


class Number(click.FloatRange):
    """A number within a range: `nan` and `inf` are none, though Python reads them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or say why it is none."""
        found = super().convert(value, param, ctx)
        return found if math.isfinite(found) else self.fail(f"{value!r} is not a valid number.", param, ctx)


class Group(click.Group):
    """A group that suggests the nearest command, loaded or not."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from definable.spec.nearest import suggest

            raise click.UsageError(
                f"there is no command {name!r}{suggest(name, self.list_commands(ctx), most=20)}", ctx
            )
        return super().resolve_command(ctx, args)


class Root(Group):
    """The root group. A command's module is imported when the command is needed."""

    commands_in_order = (
        "init",
        "check",
        "run",
        "batch",
        "runs",
        "serve",
        "mcp",
        "worker",
        "workers",
        "triggers",
        "tools",
        "contracts",
        "graph",
        "schema",
        "sandbox",
        "keys",
        "chaos",
        "doctor",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a new user meets them."""
        return list(self.commands_in_order)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module and return its command."""
        if name not in self.commands_in_order:
            return None
        from importlib import import_module

        module: Any = import_module(f"definable.cli.{name}")
        command: click.Command = module.command
        return command


@click.group(cls=Root, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--workspace",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The workspace; otherwise the nearest folder above with agents/, tools/ or workflows/.",
)
@click.version_option(__version__, prog_name="definable", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, workspace: Path | None) -> None:
    """Run workflows in which every tool call is verified and, where it fails, healed."""
    ctx.obj = Session(os.environ, workspace)
