"""Changes that happen only later than asked for: they wait in the state, so a snapshot keeps them."""

from __future__ import annotations

from dataclasses import asdict

from definable.sandbox.answers import Json
from definable.sandbox.auth import Caller
from definable.sandbox.context import Context
from definable.sandbox.kinds import Late
from definable.sandbox.operations import BY_TOOL
from definable.sandbox.performing import run
from definable.sandbox.world import World


def put_off(ctx: Context, late: Late) -> None:
    """Remember the request: performed `late.seconds` from now, or once `late.looks` reads were answered."""
    ctx.state["pending"].append(
        {
            "due": None if late.looks is not None else ctx.world.now() + late.seconds,
            "looks": late.looks,
            "tool": ctx.tool,
            "path": ctx.path,
            "query": dict(ctx.query),
            "body": ctx.body.decode("utf-8", "replace"),
            "base": ctx.base,
            "trace": ctx.trace,
            "caller": {**asdict(ctx.caller), "scopes": sorted(ctx.caller.scopes)},
        }
    )


def watch(world: World) -> None:
    """Count one answered read."""
    for wish in world.state["pending"]:
        if wish["looks"] is not None:
            wish["looks"] -= 1


def settle(world: World) -> None:
    """Perform what is due, in the order in which it became due, as of that time."""
    now = world.now()
    due = [wish for wish in world.state["pending"] if _due(wish, now)]
    for wish in sorted(due, key=lambda w: w["due"] or now):
        world.state["pending"].remove(wish)
        with world.moment(wish["due"] or now):
            _perform(world, wish)


def _due(wish: dict[str, Json], now: float) -> bool:
    return bool(wish["looks"] <= 0 if wish["looks"] is not None else wish["due"] <= now)


def _perform(world: World, wish: dict[str, Json]) -> None:
    who = wish["caller"]
    caller = Caller(who["token"], who["user"], who["role"], frozenset(who["scopes"]))
    body = wish["body"].encode()
    ctx = Context(
        world, caller, wish["tool"], wish["path"], wish["query"], {}, body, wish["base"], wish["trace"]
    )
    run(ctx, BY_TOOL[wish["tool"]])
