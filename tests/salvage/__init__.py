"""Getting out what is intact of malformed files."""
