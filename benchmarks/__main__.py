"""Runs every benchmark: `python -m benchmarks`, which is `make bench`. It takes a minute or two."""

from __future__ import annotations

from benchmarks import chaos, drift, grounding, keys, overhead, quota, records, validation

for benchmark in (overhead, records, validation, drift, quota, keys, grounding, chaos):
    benchmark.main()
    print()
