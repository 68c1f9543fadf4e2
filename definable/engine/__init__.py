"""Executes runs: submit, go on, answer, resume, cancel. In this process for now; nodes know nothing of it."""
