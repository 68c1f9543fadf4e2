"""Finds, loads and checks agents, toolkits and workflows: the user's first, the built-in ones behind them."""

from definable.workspace.check import check, checked
from definable.workspace.contents import Workspace
from definable.workspace.find import find

__all__ = ["Workspace", "check", "checked", "find"]
