"""Definable: workflows in which every tool call is verified and, where it fails, healed."""

__version__ = "0.1.0"
