"""A volume by path, over every implementation of a session."""
