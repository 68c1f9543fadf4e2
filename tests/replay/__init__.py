"""Runs that older versions left, and what a replay of a run's log has to get right."""
