"""What a user would check by hand before a put (`monoctl status`): the way to m8, and what both ends know."""
