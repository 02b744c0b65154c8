"""What one m8 process counts, for Prometheus. No label holds a URI, a subject, or an id of a request."""
