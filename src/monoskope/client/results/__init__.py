"""What the client returns when it is asked what m8 knows. Names are those of what a put returns.

Ids are hex, times are `datetime` in UTC, days are `date`, and what m8 lists by number has its name of docs/protocol.md.
All of it is m8's word, but for what `proven` says.
"""
