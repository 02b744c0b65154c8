"""What m8 answers to whoever operates it: whether it lives, whether it is ready, and its metrics. No transport."""
