"""A mount beside a real directory: whatever is done to both must come out the same.

* ``test_names.py``, ``test_content.py``: random steps, compared after each one and once more after
  a remount.  The steps are in ``names.py`` and ``content.py``; an ``Actor`` takes them on one
  side, ``state.py`` compares.
* ``test_found.py``: what such steps once found, each time again.
* ``test_fsx.py``: one file is tortured beside an array of bytes.
* ``test_stress.py``: several processes in one tree at once; nothing breaks and nothing leaks.

``SQLFS_SOAK=N`` does N times as much, each time something else.  ``SQLFS_ORACLE=DIR`` puts the
real directory below DIR, such as one of ext4, when the question is which of the two is right.
"""
