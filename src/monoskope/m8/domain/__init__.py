"""What may happen and what follows: values folded from events, functions that decide on new ones. Pure."""
