"""How much of m8 one caller may use: connections, logins, open calls, requests for keys, bytes a day."""
