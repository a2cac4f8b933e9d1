"""The expressions, by topic."""
