"""Accounts of Redis, whose password is set by its SHA-256 hash on every node (docs/stores/redis-account.md)."""
