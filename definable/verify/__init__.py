"""The Verifier's mind: outcome → verdict → next move. Pure: no I/O, no clock, the same answer every time."""
