"""How fast a mounted volume is, beside other file systems of its kind and a plain directory.

A *subject* is a file system that is measured, a *workload* what is done with it.  Nothing here
knows what is inside a subject: it is a directory once it is mounted.  `python -m tests.bench
--help` tells how to run it, `sqlfs/BENCHMARKS.md` what it measures and how.
"""
