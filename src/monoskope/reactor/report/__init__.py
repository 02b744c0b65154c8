"""What a reactor says of its work: receipts for m8, its audit log, and what it remembers of both."""
