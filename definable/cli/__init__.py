"""The command line. Results go to stdout, progress to stderr; exit codes are in `definable --help`.

Command modules import what they run inside their functions, so that `--help` stays quick.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

import click

from definable.cli.app import root
from definable.cli.logs import redactor
from definable.cli.screen import Screen, prepare
from definable.errors import DefinableError, DefinitionError, UsageError

INTERRUPTED = 130

COLLECT = 50_000
"""Objects more than were freed after which the garbage is looked through: a command makes most of its objects
by importing, and keeps them. A tenth of the time of a short run went into looking for what was not there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing but the code leaves here, whatever went wrong."""
    gc.set_threshold(COLLECT)
    prepare()
    screen = Screen(os.environ)
    try:
        _readable(sys.argv[1:] if arguments is None else arguments)
        code = root.main(args=arguments, prog_name="definable", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        screen.say(error.format_message())
        return 2
    except (click.Abort, KeyboardInterrupt):
        screen.say("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        return _misused(screen, error)
    except DefinableError as error:
        return _failed(screen, error)
    except Exception as error:
        return _unexpected(screen, error)
    finally:
        screen.flush()


def _readable(arguments: Sequence[str]) -> None:
    """Raise UsageError for an argument that is no text: it could be neither stored nor sent."""
    for argument in arguments:
        if not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise UsageError(f"the argument {argument!r} is not UTF-8", hint="type it in a UTF-8 terminal")


def _misused(screen: Screen, error: click.ClickException) -> int:
    screen.say(f"error: {error.format_message()}")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        screen.say(f"  see: {context.command_path} --help")
    return 2


def _failed(screen: Screen, error: DefinableError) -> int:
    if isinstance(error, DefinitionError):
        for problem in error.problems:
            screen.say(str(problem))
        many = len(error.problems)
        screen.say(f"error: {many} problem{'s' if many != 1 else ''} in what was read; nothing was run")
    else:
        screen.say(f"error: {error.message}")
        for line in error.hint.splitlines():
            screen.say(f"  {line}")
    return error.exit_code


def _unexpected(screen: Screen, error: Exception) -> int:
    clean = redactor(os.environ)
    if os.environ.get("DEFINABLE_LOG", "").lower() == "debug":
        import traceback

        screen.say(clean.text("".join(traceback.format_exception(error)).rstrip()))
    first = (clean.text(str(error)).strip().splitlines() or [""])[0]
    screen.say(f"error: unexpected {type(error).__name__}{': ' if first else ''}{first}")
    if os.environ.get("DEFINABLE_LOG", "").lower() != "debug":
        screen.say("  this is a fault of definable; DEFINABLE_LOG=debug shows the traceback")
    return 1
