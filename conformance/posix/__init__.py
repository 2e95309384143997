"""What POSIX and Linux promise about a directory, as tests that run against any directory."""
