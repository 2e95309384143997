"""A full file system below, quotas, and one that fails."""
