"""Suites that judge a file system from outside: they know nothing of any implementation."""
