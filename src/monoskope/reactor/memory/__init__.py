"""What the process does so that no secret stays in its memory longer than its request."""
