"""HTTP/1.1 as clients, reactors and drivers speak it to m8 and to engines: on asyncio, and blocking."""
