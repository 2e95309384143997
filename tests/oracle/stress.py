"""``python -m tests.oracle.stress DIRECTORY SEED STEPS``: one of several that use a tree at once.

Takes steps at random and prints those that failed as none may, with their errno; exit code 1 if
there are any.  What is expected is what a race with another process, or a poor choice, explains.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from conformance.posix import libc

# One file that is always there, whole, and one that every process appends to.
REPLACED: Final = "replaced"
LOG: Final = "log"
RECORD_BYTES: Final = 64

REPLACED_BYTES: Final = 3000
_SIZE_MAX: Final = 600_000

_FOLDER_NAMES: Final = ["d0", "d1", "d2"]
_FOLDERS: Final = ["", "", "d0/", "d1/", "d2/", "d0/d1/", "d1/d2/"]
_FILE_NAMES: Final = ["a", "b", "c", "d", "e", "f"]

# Not there any more, or already, or another type than it was.
_RACES: Final = {errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
# Fifos and sockets that are opened as if they were files.
_SPECIAL: Final = {errno.ENXIO, errno.ESPIPE, errno.EAGAIN, errno.EPIPE, errno.EINVAL}


def prepare(directory: Path) -> None:
    """What the processes begin with."""
    (directory / REPLACED).write_bytes(b"0" * REPLACED_BYTES)
    (directory / LOG).touch()
    for name in _FOLDER_NAMES:
        (directory / name).mkdir()


def record(seed: int, number: int) -> bytes:
    """What process `seed` appends as its record of this number."""
    return f"{seed} {number}".encode().ljust(RECORD_BYTES - 1) + b"\n"


class Stress:
    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._seed = seed
        self._random = Random(seed)
        self._records = 0
        self.unexpected: list[str] = []
        self._steps: list[tuple[Callable[[], None], set[int]]] = [
            (self._write, _RACES | _SPECIAL),
            (self._write, _RACES | _SPECIAL),
            (self._write, _RACES | _SPECIAL),
            (self._read, _RACES | _SPECIAL),
            (self._truncate, _RACES | _SPECIAL),
            (self._punch, _RACES | _SPECIAL | {errno.ENODEV}),
            (self._copy, _RACES | _SPECIAL),
            (self._use_unlinked, _RACES | _SPECIAL),
            (self._mkdir, _RACES),
            (self._mkdir, _RACES),
            (self._mkfifo, _RACES),
            (self._symlink, _RACES),
            (self._link, _RACES | {errno.EPERM}),
            (self._unlink, _RACES),
            (self._rmdir, _RACES | {errno.ENOTEMPTY}),
            (self._rename, _RACES | {errno.ENOTEMPTY, errno.EINVAL}),
            (self._rename, _RACES | {errno.ENOTEMPTY, errno.EINVAL}),
            (self._list, _RACES),
            (self._attributes, _RACES),
            (self._xattr, _RACES | {errno.EPERM, errno.ENODATA}),
            (self._append_record, set()),
            (self._replace, set()),
            (self._look_at_replaced, set()),
        ]

    def step(self) -> None:
        step, expected = self._random.choice(self._steps)
        try:
            step()
        except OSError as error:
            if error.errno not in expected:
                self.unexpected.append(f"{step.__name__}: {error}")

    # --- content ---

    def _write(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT
        flags |= self._random.choice([0, 0, os.O_APPEND, os.O_TRUNC, os.O_EXCL])
        with _Opened(self._path(), flags) as descriptor:
            data = self._random.randbytes(self._random.choice([10, 700, 5000, 300_000]))
            os.pwrite(descriptor, data, self._random.randrange(_SIZE_MAX))
            if self._random.random() < 0.1:
                os.fsync(descriptor)

    def _read(self) -> None:
        with _Opened(self._there(), os.O_RDONLY) as descriptor:
            os.pread(descriptor, 100_000, self._random.randrange(_SIZE_MAX))

    def _truncate(self) -> None:
        os.truncate(self._there(), self._random.randrange(_SIZE_MAX))

    def _punch(self) -> None:
        mode = self._random.choice([libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE, 0])
        with _Opened(self._there(), os.O_RDWR) as descriptor:
            libc.fallocate(descriptor, mode, self._random.randrange(_SIZE_MAX), 300_000)

    def _copy(self) -> None:
        with (
            _Opened(self._there(), os.O_RDONLY) as source,
            _Opened(self._path(), os.O_WRONLY | os.O_CREAT) as target,
        ):
            os.copy_file_range(source, target, 400_000, 0, self._random.choice([0, 5]))

    def _use_unlinked(self) -> None:
        path = self._path()
        with _Opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
            os.unlink(path)
            os.pwrite(descriptor, b"unlinked", 0)
            os.pread(descriptor, 8, 0)

    def _append_record(self) -> None:
        with _Opened(self._at(LOG), os.O_WRONLY | os.O_APPEND) as descriptor:
            os.write(descriptor, record(self._seed, self._records))
        self._records += 1

    def _replace(self) -> None:
        new = self._at(f"new-{self._seed}")
        with _Opened(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            os.write(descriptor, b"%d" % (self._seed % 10) * REPLACED_BYTES)
        os.rename(new, self._at(REPLACED))

    def _look_at_replaced(self) -> None:
        with _Opened(self._at(REPLACED), os.O_RDONLY) as descriptor:
            content = os.read(descriptor, REPLACED_BYTES + 1)
        if len(content) != REPLACED_BYTES or len(set(content)) != 1:
            self.unexpected.append(f"a replaced file of {len(content)} bytes {set(content)}")

    # --- names and attributes ---

    def _mkdir(self) -> None:
        os.mkdir(f"{self._folder()}{self._random.choice(_FOLDER_NAMES)}")

    def _mkfifo(self) -> None:
        os.mkfifo(self._path())

    def _symlink(self) -> None:
        os.symlink(self._random.choice(["a", "../b", "c", "../d1"]), self._path())

    def _link(self) -> None:
        os.link(self._there(), self._path(), follow_symlinks=False)

    def _unlink(self) -> None:
        os.unlink(self._there())

    def _rmdir(self) -> None:
        os.rmdir(self._there())

    def _rename(self) -> None:
        flags = self._random.choice([0, 0, libc.RENAME_NOREPLACE, libc.RENAME_EXCHANGE])
        libc.renameat2(self._there(), self._path(), flags)

    def _list(self) -> None:
        folder = self._folder()
        names = os.listdir(folder)
        if folder == self._at("") and (names.count(LOG) != 1 or REPLACED not in names):
            self.unexpected.append(f"what was there all the time is listed so: {sorted(names)}")

    def _attributes(self) -> None:
        path = self._there()
        if stat.S_ISLNK(os.lstat(path).st_mode):
            os.chown(path, self._random.randrange(3), 0, follow_symlinks=False)
        else:
            os.chmod(path, self._random.choice([0o644, 0o755, 0o700]))
            os.utime(path, ns=(self._random.randrange(10**18), self._random.randrange(10**18)))

    def _xattr(self) -> None:
        path, name = self._there(), self._random.choice(["user.a", "user.b"])
        if self._random.random() < 0.7:
            os.setxattr(path, name, self._random.randbytes(100), follow_symlinks=False)
        else:
            os.removexattr(path, name, follow_symlinks=False)

    # --- where ---

    def _path(self) -> str:
        """One of few, so that the processes meet; the directories are moved about, too."""
        name = self._random.choice(_FOLDER_NAMES if self._random.random() < 0.1 else _FILE_NAMES)
        return f"{self._folder()}{name}"

    def _there(self) -> str:
        """One that was there a moment ago, mostly."""
        folder = self._folder()
        names = sorted(set(os.listdir(folder)) & {*_FILE_NAMES, *_FOLDER_NAMES})
        return f"{folder}{self._random.choice(names)}" if names else self._path()

    def _folder(self) -> str:
        """A directory that was there a moment ago, with a slash at its end."""
        folders = [self._at(folder) for folder in _FOLDERS]
        return self._random.choice([folder for folder in folders if os.path.isdir(folder)])

    def _at(self, path: str) -> str:
        return f"{self._directory}/{path}"


class _Opened:
    """An open file, closed in the end; a fifo is not waited for."""

    def __init__(self, path: str, flags: int) -> None:
        self._descriptor = os.open(path, flags | os.O_NONBLOCK, 0o644)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def main() -> int:
    directory, seed, steps = sys.argv[1:]
    stress = Stress(Path(directory), int(seed))
    for _ in range(int(steps)):
        stress.step()
    print("\n".join(stress.unexpected), end="")
    return 1 if stress.unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
