"""The `m8` program, one file a group of commands."""
