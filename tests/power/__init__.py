"""Power cuts: what SQLite and the store write is recorded, and any moment of it replayed."""
