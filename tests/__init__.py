"""The tests, in rings: unit, integration, e2e."""
