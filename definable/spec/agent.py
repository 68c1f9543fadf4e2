"""What an agent's file may say: Markdown whose front matter is this, and whose text is the prompt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from definable.spec.model import FileModel
from definable.spec.workflow import Limits


class Agent(FileModel):
    """A specialist. `hands_in` fixes the shape of its artifact."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    description: str
    model: str = Field(pattern=r"^(openai|anthropic|offline)/.+$", description="provider/model")
    hands_in: Literal["Findings", "Draft", "Asset", "Change"]
    tools: tuple[str, ...] = Field(
        (), description="Tools it may ask for unless a step says otherwise; globs allowed"
    )
    turns: int = Field(12, ge=1, le=100, description="How often it may ask for tools within one step")
    limits: Limits | None = None
    prompt: str = Field("", description="The text below the front matter")
