"""An in-memory volume, obviously right: the oracle that every implementation is compared with."""
