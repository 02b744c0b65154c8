"""Checks that a person or an operator would make by hand, each with its fix: for `monoctl status` and `m8 doctor`."""
