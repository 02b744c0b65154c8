"""Notices: m8 tells fixed addresses what somebody should look at. They are its word; `monoctl` proves what is so."""
