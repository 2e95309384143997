"""The command ``sqlfs`` as its users run it: in processes of its own."""
