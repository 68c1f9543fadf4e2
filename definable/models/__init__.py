"""Language models: `openai`, `anthropic`, and the offline model that stands in when a key is missing.

`neutral` has the data that both providers speak, `client` the door: `Models(environ).turn(request)`.
"""

from definable.models.client import Models
from definable.models.neutral import Request, Round, ToolResult, ToolSpec, ToolUse, Turn

__all__ = ["Models", "Request", "Round", "ToolResult", "ToolSpec", "ToolUse", "Turn"]
