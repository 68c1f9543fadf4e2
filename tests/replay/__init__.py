"""Histories of runs of older versions, resumed by today's code: only added, never edited."""
