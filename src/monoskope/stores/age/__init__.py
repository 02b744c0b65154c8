"""A folder of files encrypted with age."""
