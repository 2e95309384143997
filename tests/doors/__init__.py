"""Several doors to one volume at once: mounts, programs with the API, commands."""
