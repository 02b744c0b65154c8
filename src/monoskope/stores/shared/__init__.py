"""What several drivers share: HTTP requests, trust, credentials, settings, files in a folder, text values."""
