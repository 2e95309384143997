"""A volume as a directory: requests of the kernel in, errno out."""
