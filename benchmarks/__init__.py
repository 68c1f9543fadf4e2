"""What Definable costs, measured beside what one would use without it."""
