"""m8's use cases, free of transport: each checks its caller, lets the domain decide, records, and answers."""
