"""What proves that an answer of m8 is true: receipts of the pinned identity, and m8's log."""
