"""What this machine knows of stores, logs and secrets from before: files beside the settings, or memory."""
