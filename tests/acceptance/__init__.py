"""What sqlfs promises to its users, tried as they would: real programs, real trees, real kills.

Here are the stories that go through everything at once, and the promises on room, secrecy, memory
and plain words.  What one part alone proves is proven beside that part:

* power cuts, in the core and under a mount: ``tests/power``;
* nobody waits for another's fsync: ``tests/mount/test_other_doors.py`` and ``tests/contract``;
* what one door changes, every other sees at once: ``tests/mount/test_with_clients.py``,
  ``tests/cli/test_mounted.py``;
* a copy made by the owning process itself loses it no lock: ``tests/owner/test_opening.py``;
* what locked rows hide and betray, row by row: ``tests/format/test_threats.py``;
* refusals of the command ``sqlfs``: ``tests/cli/test_bad_files.py``, and those of ``sqlfs-mount``
  that are not here: ``tests/mount/test_refusals.py``.
"""
