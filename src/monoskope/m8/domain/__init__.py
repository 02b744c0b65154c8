"""What may happen and what follows: values folded from events (`evolve`), functions that decide new events. Pure."""
