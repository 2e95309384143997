"""ACLs and files without a name are stored as the format says."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt
from sqlfs.types import AttributeChanges, Caller
from tests.contract.acl_values import ACCESS, DEFAULT, MANY, MINIMAL, NAMED
from tests.format.conftest import Read
from tests.format.reader import VolumeReader
from tests.format.tampering import flip, stored
from tests.format.volumes import ME, VOLUME, Kind, create, findings, noise, opened, put

STRICT = Caller(1000, 1001, umask=0o077)


def permissions_of(value: bytes) -> dict[int, int]:
    """By tag, of an ACL that the format allows to be stored."""
    (version,) = struct.unpack_from("<I", value)
    entries = list(struct.iter_unpack("<HHI", value[4:]))
    tags = [tag for tag, _, _ in entries]
    assert version == 2
    assert tags == sorted(tags)
    assert [tags.count(tag) for tag in (1, 4, 32)] == [1, 1, 1]
    assert tags.count(16) == 1 if {2, 8} & set(tags) else tags.count(16) <= 1
    for tag, permissions, id_ in entries:
        assert permissions <= 7
        assert (id_ == 2**32 - 1) == (tag not in (2, 8))
    return {tag: permissions for tag, permissions, _ in entries}


def stands_for(value: bytes) -> int:
    permissions = permissions_of(value)
    return permissions[1] << 6 | permissions.get(16, permissions[4]) << 3 | permissions[32]


def assert_sound(volume: VolumeReader) -> dict[bytes, dict[bytes, bytes]]:
    """The ACLs of every path, after a look whether they may be there."""
    nodes, found = volume.nodes(), {}
    for path, id_ in volume.tree().items():
        mode, acls = nodes[id_].mode, volume.xattrs(id_)
        assert nodes[id_].has_xattrs == bool(acls)
        if acls:
            found[path] = acls
        assert not (stat.S_ISLNK(mode) and acls)
        if ACCESS in acls:
            assert set(permissions_of(acls[ACCESS])) != {1, 4, 32}
            assert stands_for(acls[ACCESS]) == mode & 0o777
        if DEFAULT in acls:
            assert stat.S_ISDIR(mode)
            permissions_of(acls[DEFAULT])
    return found


def test_acls_as_stored(path: Path, kind: Kind, read: Read) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        changed, minimal = put(session, b"changed"), put(session, b"minimal")
        session.setxattr(changed, ACCESS, MANY)
        session.setattr(changed, AttributeChanges(mode=0o4653))
        session.setxattr(minimal, ACCESS, MANY)
        session.setxattr(minimal, ACCESS, MINIMAL)
        above = session.mkdir(session.root, b"above", 0o755, ME).node
        session.setxattr(above, DEFAULT, NAMED)
        below = session.mkdir(above, b"below", 0o777, STRICT).node
        session.symlink(below, b"symlink", b"target", STRICT)
        session.mknod(below, b"fifo", stat.S_IFIFO | 0o606, 0, STRICT)
        plain = session.mkdir(session.root, b"plain", 0o755, ME).node
        session.setxattr(plain, DEFAULT, MINIMAL)
        session.mkdir(plain, b"below", 0o777, STRICT)
    found = assert_sound(read(path).volume(VOLUME, kind.passphrase))
    access = {file: stands_for(acls[ACCESS]) for file, acls in found.items() if ACCESS in acls}
    assert access == {b"/changed": 0o653, b"/above/below": 0o741, b"/above/below/fifo": 0o600}
    assert {file: acls[DEFAULT] for file, acls in found.items() if DEFAULT in acls} == {
        b"/above": NAMED,
        b"/above/below": NAMED,
        b"/plain": MINIMAL,
        b"/plain/below": MINIMAL,
    }


def test_a_file_without_a_name(path: Path, kind: Kind, read: Read) -> None:
    copy, again = path.with_name("copy.sqlite"), path.with_name("again.sqlite")
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        nameless, handle = session.tmpfile(session.root, 0o600, os.O_RDWR, ME)
        named, other = session.tmpfile(session.root, 0o600, os.O_RDWR, ME)
        session.write(handle, 0, noise(9000))
        session.write(other, 0, noise(5000))
        session.link(named.node, session.root, b"named")
        file.checkpoint()
        assert findings(file) == set()
        for each in (copy, again):
            each.write_bytes(path.read_bytes())
    volume = read(copy).volume(VOLUME, kind.passphrase)
    nodes = volume.nodes()
    assert volume.orphans() == {nameless.node}
    assert (nodes[nameless.node].nlink, nodes[named.node].nlink) == (0, 1)
    assert volume.content(nodes[nameless.node]) == noise(9000)
    assert volume.tree() == {b"/": session.root, b"/named": named.node}

    with opened(again, kind) as (file, _):
        file.commit()
        assert findings(file) == set()
    after = read(again).volume(VOLUME, kind.passphrase)
    assert after.orphans() == set()
    assert set(after.nodes()) == {session.root, named.node}
    assert after.content(after.nodes()[named.node]) == noise(5000)


def test_a_damaged_acl(path: Path, kind: Kind) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        node = session.mkdir(session.root, b"folder", 0o755, ME).node
        session.setxattr(node, DEFAULT, NAMED)
    (row,) = stored(path, "SELECT tag FROM xattr")
    flip(path, "xattr", "tag", row["tag"])
    with opened(path, kind) as (file, session):
        with pytest.raises(Corrupt, match="extended attribute"):
            session.mkdir(node, b"below", 0o755, ME)
        session.symlink(node, b"symlink", b"target", ME)
        session.setattr(node, AttributeChanges(mode=0o700))
        assert session.readdir(node, 0, 9)[0].name == b"symlink"
        assert findings(file) == {"xattr_sealed"}


@pytest.mark.parametrize("value", [NAMED[:-1], MINIMAL[:12], b"\3\0\0\0"])
def test_an_acl_that_none_may_store_is_damage(path: Path, value: bytes) -> None:
    kind = Kind()
    with create(path, kind) as file:
        session = file.session(VOLUME)
        node = put(session, b"a")
        volume = session.opened_volume
        with file.db.writing():
            volume.xattrs.put(volume.nodes.get(node), ACCESS, value, is_new=True)
    with opened(path, kind) as (_, session):
        with pytest.raises(Corrupt, match=f"posix_acl_access of node {node}"):
            session.setattr(node, AttributeChanges(mode=0o700))
        assert stat.S_IMODE(session.getattr(node).mode) == 0o640
        session.removexattr(node, ACCESS)
        session.setattr(node, AttributeChanges(mode=0o700))
