"""The table, by module."""
