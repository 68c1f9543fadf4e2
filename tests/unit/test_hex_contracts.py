"""What Hex answers, by the sandbox, fits the contracts of its tools, with nothing to repair."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from definable.sandbox import World
from definable.sandbox.gateway import Gateway, Request
from definable.toolkits.arguments import normalise
from definable.toolkits.request import build
from definable.verify.contracts import Contract
from tests.hexcalls import arguments
from tests.hexkit import tool, toolkit

ANSWERED = sorted(slug for slug, each in toolkit().tools.items() if each.response is not None)


def _answer(world: World, slug: str, given: dict[str, Any]) -> Any:
    request = build(toolkit(), tool(slug), normalise(toolkit(), tool(slug), slug, given))
    body = b"" if request.json is None else json.dumps(request.json).encode()
    headers = {"authorization": f"Bearer {world.token}"}
    query = urlencode(request.params, doseq=True)
    return json.loads(Gateway(world).handle(Request(request.method, request.path, query, headers, body)).body)


@pytest.mark.parametrize("slug", ANSWERED)
def test_an_honest_answer_takes_the_fast_way(slug: str) -> None:
    """It is settled in microseconds, also without the parts that have to be asked for."""
    world = World(quotas=False)
    given = {name: v for name, v in arguments(world)[slug].items() if name != "includeSharing"}
    contract = Contract.of_response(toolkit(), tool(slug))
    assert contract is not None
    assert contract.settled(_answer(world, slug, given))
