"""`m8 stores check`: tries a driver against a real engine, by the promises of `monoskope.testing.drivers`."""
