"""POSIX ACLs: what is kept of them, how they and modes agree, and what directories hand down."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from sqlfs.errors import Invalid, NoAttribute, NotSupported, SqlfsError, TooBig
from sqlfs.limits import ACL_BYTES_MAX
from sqlfs.types import AttributeChanges, Attributes, Caller, XattrFlag
from sqlfs.volume.session import Session
from tests.contract.acl_values import (
    ACCESS,
    DEFAULT,
    MANY,
    MASKED,
    MINIMAL,
    NAMED,
    UNSOUND,
    acl,
)
from tests.contract.nodes import ME, age, make, make_directory, make_file, touched

STRICT = Caller(uid=1000, gid=1001, umask=0o077)


def permissions(session: Session, node: int) -> int:
    return stat.S_IMODE(session.getattr(node).mode)


def acls(session: Session, node: int) -> dict[bytes, bytes]:
    return {name: session.getxattr(node, name) for name in session.listxattr(node)}


# --- access ACLs ---


@pytest.mark.parametrize(
    ("value", "mode"),
    [(NAMED, 0o741), (MASKED, 0o650), (MANY, 0o770)],
    ids=["named", "mask", "many"],
)
@pytest.mark.parametrize("kind", ["file", "empty", "fifo"])
def test_access_acl_sets_the_mode(session: Session, kind: str, value: bytes, mode: int) -> None:
    node = make(session, kind, b"a")
    type_ = stat.S_IFMT(session.getattr(node).mode)
    session.setxattr(node, ACCESS, value)
    assert acls(session, node) == {ACCESS: value}
    assert session.getattr(node).mode == type_ | mode


def test_minimal_access_acl_is_a_mode(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, ACCESS, MINIMAL)
    assert permissions(session, node) == 0o640
    assert acls(session, node) == {}
    session.setxattr(node, ACCESS, NAMED)
    session.setxattr(node, ACCESS, MINIMAL)
    assert permissions(session, node) == 0o640
    assert acls(session, node) == {}


def test_bits_above_permissions_stay(session: Session) -> None:
    node = make_file(session, b"a")
    session.setattr(node, AttributeChanges(mode=0o7000))
    session.setxattr(node, ACCESS, NAMED)
    assert permissions(session, node) == 0o7741


@pytest.mark.parametrize("way", ["removed", "empty", "header"])
def test_without_an_access_acl_the_mode_stays(session: Session, way: str) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, ACCESS, NAMED)
    if way == "removed":
        session.removexattr(node, ACCESS)
    else:
        session.setxattr(node, ACCESS, b"" if way == "empty" else acl())
    assert permissions(session, node) == 0o741
    assert acls(session, node) == {}


def test_missing_acls(session: Session) -> None:
    for node in (make_file(session, b"a"), make_directory(session, b"b")):
        for name in (ACCESS, DEFAULT):
            with pytest.raises(NoAttribute):
                session.getxattr(node, name)
            session.removexattr(node, name)
            session.setxattr(node, name, b"")
        assert session.listxattr(node) == []


def test_flags_mean_nothing(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, ACCESS, NAMED, XattrFlag.REPLACE)
    session.setxattr(node, ACCESS, MASKED, XattrFlag.CREATE)
    assert acls(session, node) == {ACCESS: MASKED}


def test_ids_of_those_without_a_name_are_not_kept(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, ACCESS, acl("owner:7:5", "group:5:6", "mask:4:7", "other:1:8"))
    assert session.getxattr(node, ACCESS) == acl("owner:7", "group:5", "mask:4", "other:1")


@pytest.mark.parametrize("name", [ACCESS, DEFAULT])
@pytest.mark.parametrize("unsound", UNSOUND)
def test_unsound_acls(session: Session, unsound: str, name: bytes) -> None:
    node = make_directory(session, b"a")
    age(session, node)
    with pytest.raises(Invalid):
        session.setxattr(node, name, UNSOUND[unsound])
    assert acls(session, node) == {}
    assert permissions(session, node) == 0o755
    assert touched(session, node) == (False, False)


def test_acls_of_other_versions(session: Session) -> None:
    node = make_file(session, b"a")
    for version in (0, 1, 3):
        with pytest.raises(NotSupported):
            session.setxattr(node, ACCESS, acl("owner:6", "group:4", "other:0", version=version))


def test_the_largest(session: Session) -> None:
    node = make_file(session, b"a")
    most = (ACL_BYTES_MAX - 4) // 8
    users = [f"user:7:{i}" for i in range(most - 4)]
    value = acl("owner:7", *users, "group:5", "mask:4", "other:1")
    session.setxattr(node, ACCESS, value)
    assert session.getxattr(node, ACCESS) == value
    with pytest.raises(TooBig):
        session.setxattr(
            node, ACCESS, acl("owner:7", *users, "user:7:1", "group:5", "mask:4", "other:1")
        )
    assert session.getxattr(node, ACCESS) == value


def test_symlinks_have_none(session: Session) -> None:
    node = make(session, "symlink", b"a")
    for name in (ACCESS, DEFAULT):
        with pytest.raises(NotSupported):
            session.setxattr(node, name, NAMED)
        with pytest.raises(NotSupported):
            session.getxattr(node, name)
        with pytest.raises(NotSupported):
            session.removexattr(node, name)
    assert session.listxattr(node) == []


@pytest.mark.parametrize("name", [b"system.posix_acl", b"system.posix_acl_access2", b"system."])
def test_other_names_of_the_namespace(session: Session, name: bytes) -> None:
    with pytest.raises(SqlfsError) as refused:
        session.setxattr(make_file(session, b"a"), name, NAMED)
    assert refused.value.errno == errno.EOPNOTSUPP


# --- chmod, times ---


def test_chmod_changes_the_access_acl(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, ACCESS, NAMED)
    session.setattr(node, AttributeChanges(mode=0o2637))
    assert permissions(session, node) == 0o2637
    assert acls(session, node) == {
        ACCESS: acl("owner:6", "user:6:1000", "group:5", "mask:3", "other:7")
    }


def test_chmod_leaves_the_default_acl(session: Session) -> None:
    node = make_directory(session, b"a")
    session.setxattr(node, DEFAULT, NAMED)
    session.setattr(node, AttributeChanges(mode=0o700))
    assert acls(session, node) == {DEFAULT: NAMED}


def test_times(session: Session) -> None:
    node = make_directory(session, b"a")
    for name, value, moves in (
        (ACCESS, NAMED, True),
        (ACCESS, NAMED, False),  # what changes nothing leaves no trace
        (ACCESS, b"", True),
        (ACCESS, b"", False),
        (ACCESS, acl("owner:7", "group:4", "other:1"), False),  # the mode already
        (ACCESS, MINIMAL, True),
        (DEFAULT, MINIMAL, True),
        (DEFAULT, MINIMAL, False),
        (DEFAULT, b"", True),
    ):
        age(session, node)
        session.setxattr(node, name, value)
        assert touched(session, node) == (False, moves), (name, value)
    age(session, node)
    session.removexattr(node, DEFAULT)
    assert touched(session, node) == (False, False)


# --- default ACLs ---


@pytest.mark.parametrize("value", [MINIMAL, NAMED, MASKED], ids=["minimal", "named", "mask"])
def test_default_acl_is_kept_as_it_is(session: Session, value: bytes) -> None:
    node = make_directory(session, b"a")
    session.setxattr(node, DEFAULT, value)
    assert acls(session, node) == {DEFAULT: value}
    assert permissions(session, node) == 0o755
    session.removexattr(node, DEFAULT)
    assert acls(session, node) == {}


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_only_directories_have_a_default_acl(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    with pytest.raises(SqlfsError) as refused:
        session.setxattr(node, DEFAULT, NAMED)
    assert refused.value.errno == errno.EACCES
    assert session.listxattr(node) == []


def made(session: Session, kind: str, parent: int, mode: int) -> Attributes:
    if kind == "directory":
        return session.mkdir(parent, b"new", mode, STRICT)
    if kind == "fifo":
        return session.mknod(parent, b"new", stat.S_IFIFO | mode, 0, STRICT)
    if kind == "created":
        attributes, handle = session.create(parent, b"new", mode, os.O_RDWR, STRICT)
    else:
        attributes, handle = session.tmpfile(parent, mode, os.O_RDWR, STRICT)
        session.pin(attributes.node)
    session.release(handle)
    return attributes


@pytest.mark.parametrize("kind", ["directory", "fifo", "created", "nameless"])
def test_inheritance(session: Session, kind: str) -> None:
    parent = make_directory(session, b"parent")
    session.setxattr(parent, DEFAULT, NAMED)
    new = made(session, kind, parent, 0o667)
    assert stat.S_IMODE(new.mode) == 0o641
    access = acl("owner:6", "user:6:1000", "group:5", "mask:4", "other:1")
    inherited = {DEFAULT: NAMED} if kind == "directory" else {}
    assert acls(session, new.node) == {ACCESS: access, **inherited}
    assert session.getattr(new.node) == new


@pytest.mark.parametrize("kind", ["directory", "fifo", "created", "nameless"])
def test_minimal_default_acl_stands_for_the_umask(session: Session, kind: str) -> None:
    parent = make_directory(session, b"parent")
    session.setxattr(parent, DEFAULT, acl("owner:7", "group:5", "other:4"))
    new = made(session, kind, parent, 0o666)
    assert stat.S_IMODE(new.mode) == 0o644
    assert list(acls(session, new.node)) == ([DEFAULT] if kind == "directory" else [])


@pytest.mark.parametrize("kind", ["directory", "fifo", "created", "nameless"])
def test_access_acls_are_not_handed_down(session: Session, kind: str) -> None:
    parent = make_directory(session, b"parent")
    session.setxattr(parent, ACCESS, NAMED)
    new = made(session, kind, parent, 0o666)
    assert stat.S_IMODE(new.mode) == 0o600
    assert acls(session, new.node) == {}


def test_symlinks_inherit_nothing(session: Session) -> None:
    parent = make_directory(session, b"parent")
    session.setxattr(parent, DEFAULT, NAMED)
    symlink = session.symlink(parent, b"new", b"target", ME)
    assert stat.S_IMODE(symlink.mode) == 0o777
    assert session.listxattr(symlink.node) == []


def test_inheritance_with_set_gid(session: Session) -> None:
    parent = make_directory(session, b"parent")
    session.setattr(parent, AttributeChanges(mode=0o2755, gid=77))
    session.setxattr(parent, DEFAULT, NAMED)
    new = session.mkdir(parent, b"new", 0o777, STRICT)
    assert (stat.S_IMODE(new.mode), new.gid) == (0o2741, 77)


def test_clones_have_the_acl_of_their_source_only(session: Session) -> None:
    parent = make_directory(session, b"parent")
    session.setxattr(parent, DEFAULT, NAMED)
    plain, granting = make_file(session, b"plain"), make_file(session, b"granting")
    session.setxattr(granting, ACCESS, MASKED)
    of_plain = session.clone(plain, parent, b"plain", ME)
    of_granting = session.clone(granting, parent, b"granting", ME)
    assert (stat.S_IMODE(of_plain.mode), acls(session, of_plain.node)) == (0o644, {})
    assert stat.S_IMODE(of_granting.mode) == 0o650
    assert acls(session, of_granting.node) == {ACCESS: MASKED}


def test_acls_are_listed_beside_other_attributes(session: Session) -> None:
    node = make_directory(session, b"a")
    session.setxattr(node, b"user.note", b"value")
    session.setxattr(node, ACCESS, NAMED)
    session.setxattr(node, DEFAULT, MASKED)
    assert acls(session, node) == {b"user.note": b"value", ACCESS: NAMED, DEFAULT: MASKED}
    session.removexattr(node, ACCESS)
    assert acls(session, node) == {b"user.note": b"value", DEFAULT: MASKED}
