"""A mount as the ground of others: bind mounts, overlays, loop devices, roots, other users.

Each script runs on a fresh tmpfs first: what can't be done there can't be done here at all, and
what it says there it must say on a mount.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.mount.mounting import DEADLINE_S, Mount, run
from tests.mount.test_programs import again, begin, end_sound, needs, needs_root

pytestmark = [needs_root, needs("unshare")]

# All that a script mounts is gone with its last process.
APART = ("unshare", "--mount", "--propagation", "private", "sh", "-ec")


def on_mount_as_on_tmpfs(mount: Mount, script: str) -> str:
    """Run `script` in an empty folder of a tmpfs and of the mount; what both of them say."""
    elsewhere = mount.directory.with_name("elsewhere")
    elsewhere.mkdir()
    command = f'mount -t tmpfs tmpfs "$1"; cd "$1"; {script}'
    plain = subprocess.run(
        [*APART, command, "sh", elsewhere], capture_output=True, text=True, timeout=DEADLINE_S
    )
    if plain.returncode != 0:
        pytest.skip(f"not possible on this system: {plain.stderr.strip()}")
    (mount / "folder").mkdir()
    ours = run(*APART, script, cwd=mount / "folder").stdout
    assert ours == plain.stdout
    assert ours, "a script that says nothing tells nothing"
    return ours


BIND = """
mkdir from to; echo one > from/file
mount --bind from to; cat to/file; echo two > to/file; cat from/file
mv to/file from/moved; ls from to
mount -o remount,bind,ro to; touch to/new 2>&1 | sed 's/.*: //'; touch from/new; ls to
umount to; ls -A to; rmdir to; ls
"""


def test_bind_mounts(mount: Mount) -> None:
    begin(mount)
    on_mount_as_on_tmpfs(mount, BIND)
    end_sound(mount)


OVERLAY = """
mkdir lower upper work merged aside
echo low > lower/file; ln lower/file lower/linked; chmod 640 lower/file
mkdir -p lower/directory/inner; echo inner > lower/directory/inner/file
echo gone > lower/gone; ln -s file lower/symlink; mkfifo lower/fifo
for options in redirect_dir=off redirect_dir=on,index=on,metacopy=on; do
    rm -rf upper work; mkdir upper work
    mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work,$options" merged
    (
        cd merged
        cat file; echo up >> file; cat file linked; rm gone symlink
        mkdir new; echo new > new/file; mv new/file moved; mv directory renamed
        rm -r renamed/inner; mkdir renamed/inner; ls -A renamed/inner
        chmod 600 linked; ln file hard; mv -f moved file; touch -d 2001-02-03 fifo
        find . -type f -exec stat -c '%A %s %n' {} + | sort; find . | sort
    )
    umount merged
    find upper -printf '%y %M %P\\n' | sort
    mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work,$options" merged
    find merged -printf '%y %M %P\\n' | sort; cat merged/file; umount merged
done
mount -t overlay overlay -o lowerdir=lower:aside merged; find merged | sort; cat merged/file
"""


def test_overlays(mount: Mount) -> None:
    """Lower, upper and work folder on the mount: whiteouts, opaque directories, copies up."""
    begin(mount)
    said = on_mount_as_on_tmpfs(mount, OVERLAY)
    assert "c c--------- gone" in said
    end_sound(mount)


LOOP = """
truncate -s 16M image; mkfs.ext4 -q image; mkdir inside
mount -o loop image inside
mkdir inside/directory; seq 20000 > inside/directory/numbers; ln -s numbers inside/directory/link
sync -f inside; cat inside/directory/link | cksum
umount inside
e2fsck -fn image >/dev/null 2>&1 && echo sound
mount -o loop,ro image inside; cksum < inside/directory/numbers
fstrim inside 2>/dev/null || echo read-only
"""


@needs("mkfs.ext4", "e2fsck")
def test_a_file_system_in_a_file(mount: Mount) -> None:
    begin(mount)
    on_mount_as_on_tmpfs(mount, LOOP)
    image = (mount / "folder" / "image").stat()
    assert image.st_blocks * 512 < image.st_size / 2
    again(mount)
    run("e2fsck", "-fn", mount / "folder" / "image")
    end_sound(mount)


CHROOT = """
mkdir -p root/bin root/proc; cp "$(command -v busybox)" root/bin/busybox
for library in $(ldd root/bin/busybox 2>/dev/null | grep -o '/[^ ]*'); do
    mkdir -p "root${library%/*}"; cp "$library" "root$library"
done
for applet in sh ls cat mkdir ln; do ln -s busybox root/bin/$applet; done
chroot root /bin/sh -ec 'pwd; mkdir -p a/b; cd a/b; pwd; echo text > /file; ln -s /file c; cat c
    cat ../../../../file; ls /'
mount -t proc proc root/proc; chroot root /bin/ls -d /proc/self; umount root/proc
"""


@needs("busybox")
def test_chroot(mount: Mount) -> None:
    begin(mount)
    on_mount_as_on_tmpfs(mount, CHROOT)
    end_sound(mount)


USER_NAMESPACE = """
chmod 777 .; echo of root > file; chmod 600 file; mkdir theirs; chown 1234:1234 theirs
setpriv --reuid 1234 --regid 1234 --clear-groups unshare --user --map-root-user sh -ec '
    id -u; cd theirs; echo mine > file; stat -c "%u %g %A" file ../file
    cat ../file 2>/dev/null || echo refused; chown 0:0 file; chown 1:1 file 2>/dev/null || echo no
    mkdir directory; chmod 2770 directory; mv file directory; ls -R'
stat -c '%u %g %A %n' theirs/directory theirs/directory/file
"""


@needs("setpriv")
def test_a_user_namespace(reachable: Mount) -> None:
    begin(reachable)
    on_mount_as_on_tmpfs(reachable, USER_NAMESPACE)
    end_sound(reachable)


@needs("mkswap", "swapon", "swapoff")
def test_swap_is_refused(mount: Mount) -> None:
    begin(mount)
    swap = mount / "swap"
    run("dd", "if=/dev/urandom", f"of={swap}", "bs=64K", "count=16")
    swap.chmod(0o600)
    run("mkswap", swap)
    before = swap.read_bytes()
    try:
        refused = subprocess.run(["swapon", swap], capture_output=True, text=True)
        assert refused.returncode != 0
    finally:
        subprocess.run(["swapoff", swap], capture_output=True)
    again(mount)
    assert swap.read_bytes() == before
    end_sound(mount)
