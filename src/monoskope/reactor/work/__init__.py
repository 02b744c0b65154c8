"""What is done with what was sealed, one file a purpose: opened, compared, written, looked up, recovered."""
