"""Store drivers: one file an engine, behind the interface in `driver.py`."""
