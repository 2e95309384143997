"""Small tools that lean on one thing each: how files are replaced, watched, locked and run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mount.mounting import Mount, run, wait_until
from tests.mount.test_programs import again, begin, beside, end_sound, needs

VIM = ("vim", "-u", "NONE", "-i", "NONE", "-e", "-s")
SEEN_EVENTS_S_MAX = 60

EDIT = """
edit() {
    vim -u NONE -i NONE -e -s -c "set backup writebackup backupskip= backupcopy=$how" \\
        -c 'set backupdir=. directory=. undofile undodir=. updatecount=1' \\
        -c "edit $1" -c "$2" -c xit
}
printf 'one\\n' > text; chmod 640 text; ln text hard; ln -s text symlink; mkdir directory
printf 'alone\\n' > directory/alone; chmod 4750 directory/alone; ln -s directory/alone far
edit text 's/one/two/'
edit symlink 's/$/ three/'
edit far 's/alone/not alone/'
edit text undo
find . ! -type d -printf '%M %n %s %U %G %p\\n' | sort
tail -n +1 text hard symlink far directory/alone *~
"""


@needs("vim")
@pytest.mark.parametrize("how", ["yes", "no", "auto,breaksymlink", "auto,breakhardlink"])
def test_vim(mount: Mount, tmp_path: Path, how: str) -> None:
    """Backups, undo files and swap files, over hard and symbolic links."""
    begin(mount)
    said = beside(mount, tmp_path, f"how={how}\n{EDIT}")
    assert "not alone" in said
    assert "==> text~ <==" in said
    end_sound(mount)


@needs("vim")
def test_vim_recovers(mount: Mount) -> None:
    begin(mount)
    (mount / "text").write_text("kept\n")
    editor = subprocess.Popen([*VIM, "text"], cwd=mount.directory, stdin=subprocess.PIPE)
    with editor:
        assert editor.stdin
        editor.stdin.write(b"normal oadded\npreserve\nwrite copy\n")
        editor.stdin.flush()
        wait_until((mount / "copy").exists, "the editor has done what it was told")
        editor.kill()
    again(mount)
    assert (mount / "text").read_text() == "kept\n"
    run(*VIM, "-c", "recover text", "-c", "write!", "-c", "quit!", cwd=mount.directory)
    assert (mount / "text").read_text() == "kept\nadded\n"
    end_sound(mount)


REPLACE = """
printf 'a\\nb\\nc\\n' > text; chmod 604 text; ln text hard
sed -i.old s/b/B/ text
sed -i 1d hard
printf 'z\\ny\\n' | sort -o text - text
cp --backup=numbered --preserve=mode text hard
install -m 4711 text installed
truncate -s 5 installed; truncate -s +3 installed
split -b 3 text part.
cat part.* | cmp - text
touch -d '2001-02-03 04:05:06.789' -r text other; touch -d '2001-02-03 04:05:06.789' stamped
test stamped -ot text; test text -ef text
dd if=text of=sparse bs=1 seek=1M conv=notrunc status=none; cmp -n 1048576 sparse /dev/zero
dd if=/dev/zero of=direct bs=4096 count=8 oflag=direct conv=fsync status=none
mkfifo fifo; cat text > fifo & cat fifo; wait
stat -c '%A %h %s %F %n' *; stat -c %y stamped; cat text hard text.old hard.~1~; od -c installed
"""


def test_text_tools(mount: Mount, tmp_path: Path) -> None:
    begin(mount)
    beside(mount, tmp_path, REPLACE)
    end_sound(mount)


RUN = """
cp "$(command -v sleep)" copy
./copy 60 & pid=$!
until test "$(readlink /proc/$pid/exe)" = "$PWD/copy"; do :; done
sh -c 'echo more >> copy' 2>/dev/null && echo written || echo busy
rm copy; readlink /proc/$pid/exe | grep -o '(deleted)'; kill $pid; wait $pid || echo $?
printf '#!/bin/sh\\necho "$0" "$@"\\n' > script; chmod 755 script; ./script of the mount
chmod 644 script; ./script 2>/dev/null || echo $?
mkdir -p bin; ln -s ../script bin/linked; chmod 755 script; PATH=$PWD/bin linked | grep -o 'bin/.*'
"""


def test_programs_run_from_it(mount: Mount, tmp_path: Path) -> None:
    begin(mount)
    said = beside(mount, tmp_path, RUN)
    assert "busy" in said
    end_sound(mount)


@needs("flock")
def test_flock(mount: Mount) -> None:
    begin(mount)
    lock = mount / "lock"
    holder = subprocess.Popen(
        ["flock", lock, "sh", "-c", "echo held; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        for how in ("--exclusive", "--shared"):
            refused = subprocess.run(["flock", how, "--nonblock", "-E", "42", lock, "true"])
            assert refused.returncode == 42
        with subprocess.Popen(["flock", lock, "true"]) as waiting:
            wait_until(lambda: _waits_for_a_lock(waiting.pid), "the lock is waited for")
            holder.communicate(b"\n")
            assert waiting.wait() == 0
    end_sound(mount)


def _waits_for_a_lock(pid: int) -> bool:
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(words[1] == "->" and str(pid) in words for words in waiting)


@needs("inotifywait")
def test_inotifywait(mount: Mount) -> None:
    begin(mount)
    (mount / "directory").mkdir()
    events = ("create", "close_write", "attrib", "moved_from", "moved_to", "delete")
    watcher = subprocess.Popen(
        [
            *("inotifywait", "--monitor", "--recursive", "--timeout", str(SEEN_EVENTS_S_MAX)),
            *(word for event in events for word in ("--event", event)),
            *("--format", "%e %f", mount.directory),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with watcher:
        assert watcher.stdout
        assert watcher.stderr
        while "established" not in watcher.stderr.readline():
            assert watcher.poll() is None
        script = "echo > a; mv a directory/b; chmod 600 directory/b; rm directory/b; mkdir c"
        run("sh", "-ec", script, cwd=mount.directory)
        seen = [watcher.stdout.readline().strip() for _ in range(7)]
        watcher.terminate()
    assert seen == [
        *("CREATE a", "CLOSE_WRITE,CLOSE a", "MOVED_FROM a", "MOVED_TO b", "ATTRIB b", "DELETE b"),
        "CREATE,ISDIR c",
    ]
    end_sound(mount)
