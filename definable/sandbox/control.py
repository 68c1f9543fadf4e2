"""/_sandbox: what really happened, and the levers. No token is needed; none of it is part of Hex."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from definable.errors import DefinableError
from definable.sandbox.clock import stamp
from definable.sandbox.faults import Faults
from definable.sandbox.gateway import Gateway


class Lever(BaseModel):
    """Base of what is posted here: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


Wish = TypeVar("Wish", bound=Lever)


class Advance(Lever):
    """POST /_sandbox/clock."""

    advance: Annotated[float, Field(ge=0)]


class TokenWish(Lever):
    """POST /_sandbox/tokens; `expires_in` is in seconds."""

    user: str | None = None
    kind: Literal["personal", "workspace"] = "personal"
    scopes: tuple[str, ...] = ()
    expires_in: float | None = None


class Control:
    """The handlers of /_sandbox over one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        """Look at and steer the gateway's world."""
        self.gateway = gateway

    def routes(self) -> list[Route]:
        """Return the routes under /_sandbox."""
        return [
            Route("/effects", self.effects),
            Route("/requests", self.requests),
            Route("/state", self.state),
            Route("/clock", self.clock, methods=["GET", "POST"]),
            Route("/tokens", self.tokens, methods=["POST"]),
            Route("/faults", self.faults, methods=["GET", "POST"]),
        ]

    async def effects(self, request: Request) -> Response:
        """Answer with every real change, in the order in which it happened."""
        effects = self.gateway.world.effects
        return JSONResponse({"total": len(effects), "effects": effects})

    async def requests(self, request: Request) -> Response:
        """Answer with how many requests each tool got, and how they ended (`none`: without an answer)."""
        with self.gateway.world.lock:
            counts = {tool: dict(statuses) for tool, statuses in self.gateway.world.requests.items()}
        tools = {tool: {"count": sum(s.values()), "statuses": s} for tool, s in sorted(counts.items())}
        return JSONResponse({"total": sum(t["count"] for t in tools.values()), "tools": tools})

    async def state(self, request: Request) -> Response:
        """Answer with the whole state; tokens are shown without their values."""
        self.gateway.world.settle()
        state = self.gateway.world.snapshot()["state"]
        state["tokens"] = [{**facts, "token": f"{token[:5]}…"} for token, facts in state["tokens"].items()]
        state["pending"] = [{**wish, "caller": {**wish["caller"], "token": "…"}} for wish in state["pending"]]
        for run in state["runs"].values():
            run["by"] = "…" if run["by"] and run["by"].startswith("hxtw_") else run["by"]
        return JSONResponse(state)

    async def clock(self, request: Request) -> Response:
        """Answer with the time; move it on when `advance` is posted."""
        world = self.gateway.world
        if request.method == "POST":
            wish = await _posted(request, Advance)
            if isinstance(wish, Response):
                return wish
            with world.lock:
                world.clock.advance(wish.advance)
                world.settle()
        return JSONResponse({"now": stamp(world.now()), "seconds": world.now(), "speed": world.clock.speed})

    async def tokens(self, request: Request) -> Response:
        """Answer with a new token."""
        wish = await _posted(request, TokenWish)
        if isinstance(wish, Response):
            return wish
        world = self.gateway.world
        expires = None if wish.expires_in is None else world.now() + wish.expires_in
        try:
            token = world.issue_token(wish.user, wish.kind, wish.scopes, expires)
        except DefinableError as error:
            return JSONResponse(error.to_json(), 400)
        return JSONResponse({"token": token}, 201)

    async def faults(self, request: Request) -> Response:
        """Answer with the faults and how often each has struck; replace them when a list is posted."""
        if request.method == "POST":
            try:
                faults = Faults.parse((await request.body()).decode("utf-8", "replace") or "[]")
            except DefinableError as error:
                return JSONResponse(error.to_json(), 400)
            with self.gateway.world.lock:
                self.gateway.faults = faults
        return JSONResponse({"seed": self.gateway.faults.seed, "faults": self.gateway.faults.show()})


async def _posted(request: Request, model: type[Wish]) -> Wish | Response:
    try:
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        issues = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        return JSONResponse({"error": "UsageError", "message": "; ".join(issues)}, 400)
