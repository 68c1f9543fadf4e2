"""No network, no sleep, no servers; a few seconds in all."""
