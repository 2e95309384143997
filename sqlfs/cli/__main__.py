"""``python -m sqlfs.cli`` is ``sqlfs``."""

from sqlfs.cli.main import run

if __name__ == "__main__":
    run()
