"""What tests of Monoskope, and of drivers written by others, are built from.

`drivers` is the suite that every store driver must pass, `logs` the one for event logs. `engines` starts real servers
in a folder, `cluster` m8 and reactors beside them; `scripted` plays m8 or a client by a script, and `search` looks for
secrets where none may be. The extra `testing` installs what they need.
"""
