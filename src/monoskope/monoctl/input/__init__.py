"""Where values, labels and engine options come from."""
