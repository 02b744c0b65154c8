"""A folder as `pass` keeps it: files encrypted with GnuPG, with or without git."""
