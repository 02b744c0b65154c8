"""What the page can ask for, one file a subject. Documents have the names of `monoctl -o json`."""
