"""The methods of m8's API: one table, and what every call has in common. No transport is known here."""
