"""What is in the engine now: what a request expects to be there, and what a first look found."""
