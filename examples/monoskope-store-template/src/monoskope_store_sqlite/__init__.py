"""A store driver for Monoskope by third parties: one SQLite file."""
