"""Real servers on loopback, real SQLite, real processes."""
