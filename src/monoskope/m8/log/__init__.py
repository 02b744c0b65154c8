"""The event log: its interface (`event_log`), the form of a record (`record`), and one engine a file."""
