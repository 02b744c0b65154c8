"""`monoctl`: parses words, calls the client SDK, prints what it says. Nothing else."""
