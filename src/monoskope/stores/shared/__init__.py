"""What several drivers need alike: HTTP connections, client certificates, files in a folder, text values."""
