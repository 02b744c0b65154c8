"""Accounts of MariaDB, whose password is set by its `ed25519` hash (docs/stores/mariadb-account.md)."""
