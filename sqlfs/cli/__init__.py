"""The ``sqlfs`` command: text for people, ``--json`` for programs."""
