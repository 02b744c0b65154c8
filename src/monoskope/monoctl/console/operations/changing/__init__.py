"""What the page can have done: to secrets, to their notes, and to pins."""
