"""The quota governor's mind: who may send now, and when the others may. Pure: no I/O and no clock."""
