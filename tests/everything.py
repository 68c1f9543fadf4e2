"""Imports all that commands import: a process that has imported this forks others with nothing to import."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import definable

LAZY = """
    openai.resources openai.resources.chat openai.resources.responses anthropic.resources.messages
    langgraph.checkpoint.sqlite langgraph.checkpoint.postgres langgraph.graph
    langchain_core.tracers.context langchain_core.tracers.run_collector langchain_core.tracers.stdout
    uvicorn.protocols.http.h11_impl uvicorn.lifespan.on uvicorn.lifespan.off uvicorn.loops.asyncio
    uvicorn.loops.auto rich.live rich.table rich.progress rich.markdown anyio._backends._asyncio
    httpcore._async.http_proxy httpcore._backends.auto encodings.utf_8_sig encodings.idna
"""
"""What libraries import only when it is used."""

for module in pkgutil.walk_packages(definable.__path__, "definable."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
for name in LAZY.split():
    import_module(name)
