"""Where programs run: one folder a backend."""
