"""Passwords of PostgreSQL's roles."""
