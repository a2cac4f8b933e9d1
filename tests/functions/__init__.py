"""One table of all public functions, and what is tested over it."""
