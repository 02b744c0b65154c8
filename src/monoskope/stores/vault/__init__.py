"""HashiCorp Vault and OpenBao: key/value mounts of version 2 and of version 1."""
