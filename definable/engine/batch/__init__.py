"""Batches: a workflow over the items of a file, as runs that are fed to the workers little by little."""
