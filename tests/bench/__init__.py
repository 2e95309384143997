"""How fast a mounted volume is, beside a plain directory of the same disk."""
