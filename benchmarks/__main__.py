"""Runs every benchmark: `python -m benchmarks`, which is `make bench`. It takes about half a minute."""

from __future__ import annotations

from benchmarks import overhead, records, validation

for benchmark in (overhead, records, validation):
    benchmark.main()
    print()
