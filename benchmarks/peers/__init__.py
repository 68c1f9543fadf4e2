"""The same four-node run in Definable and in other engines, side by side. See `__main__`."""
