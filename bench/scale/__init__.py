"""`make bench-scale`: what a put, a listing and a restart cost with a million secrets, on SQLite and on PostgreSQL."""
