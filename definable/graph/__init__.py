"""The LangGraph graph of a workflow: its agents, and the three nodes every workflow has."""
