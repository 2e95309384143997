"""The format's document against the implementation, and against a reader made from it alone."""
