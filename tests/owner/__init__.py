"""Who opens a volume file, and how the others reach it."""
