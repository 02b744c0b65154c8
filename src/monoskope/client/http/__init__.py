"""The way to one m8: Connect over HTTPS, on asyncio or blocking, with its failures as our errors."""
