"""A plain copy is a snapshot, or says that it is none."""
