"""Extended attributes."""

from __future__ import annotations

import errno

import pytest

from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    NoAttribute,
    NotFound,
    NotSupported,
    SqlfsError,
    TooBig,
)
from sqlfs.limits import (
    XATTR_LIST_BYTES_MAX,
    XATTR_NAME_BYTES_MAX,
    XATTR_VALUE_BYTES_MAX,
)
from sqlfs.types import XattrFlag
from sqlfs.volume.session import Session
from tests.contract.nodes import age, make, make_directory, make_file, touched

NAME = b"user.note"


@pytest.mark.parametrize("kind", ["file", "empty"])
@pytest.mark.parametrize(
    "value", [b"", b"v", b"\0\xff", b"x" * 5000, b"y" * XATTR_VALUE_BYTES_MAX], ids=len
)
def test_set_and_get(session: Session, kind: str, value: bytes) -> None:
    node = make(session, kind, b"a")
    session.setxattr(node, NAME, value)
    assert session.getxattr(node, NAME) == value
    assert session.listxattr(node) == [NAME]


def test_replaced_value(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, NAME, b"a longer value")
    session.setxattr(node, NAME, b"short")
    assert session.getxattr(node, NAME) == b"short"
    assert session.listxattr(node) == [NAME]


def test_list(session: Session) -> None:
    node = make_file(session, b"a")
    assert session.listxattr(node) == []
    names = [b"user.%d" % i for i in range(20)]
    for name in names:
        session.setxattr(node, name, name)
    assert sorted(session.listxattr(node)) == sorted(names)
    assert [session.getxattr(node, name) for name in names] == names


def test_remove(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, NAME, b"value")
    session.setxattr(node, b"user.other", b"other")
    session.removexattr(node, NAME)
    assert session.listxattr(node) == [b"user.other"]
    with pytest.raises(NoAttribute):
        session.getxattr(node, NAME)
    with pytest.raises(NoAttribute):
        session.removexattr(node, NAME)


def test_missing(session: Session) -> None:
    with pytest.raises(NoAttribute):
        session.getxattr(make_file(session, b"a"), NAME)


def test_of_an_unknown_node(session: Session) -> None:
    with pytest.raises(NotFound):
        session.getxattr(2**39, NAME)
    with pytest.raises(NotFound):
        session.setxattr(2**39, NAME, b"value")
    with pytest.raises(NotFound):
        session.listxattr(2**39)
    with pytest.raises(NotFound):
        session.removexattr(2**39, NAME)


def test_create_flag(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, NAME, b"first", XattrFlag.CREATE)
    with pytest.raises(AlreadyExists):
        session.setxattr(node, NAME, b"second", XattrFlag.CREATE)
    assert session.getxattr(node, NAME) == b"first"


def test_replace_flag(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NoAttribute):
        session.setxattr(node, NAME, b"first", XattrFlag.REPLACE)
    assert session.listxattr(node) == []
    session.setxattr(node, NAME, b"first")
    session.setxattr(node, NAME, b"second", XattrFlag.REPLACE)
    assert session.getxattr(node, NAME) == b"second"


def test_value_too_big(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(TooBig):
        session.setxattr(node, NAME, b"x" * (XATTR_VALUE_BYTES_MAX + 1))
    assert session.listxattr(node) == []


def test_names_are_bytes(session: Session) -> None:
    node = make_file(session, b"a")
    longest = b"user." + b"x" * (XATTR_NAME_BYTES_MAX - len(b"user."))
    for name in (longest, b"user.\xff", b"user.a b/c", b"user.user."):
        session.setxattr(node, name, b"value")
        assert session.getxattr(node, name) == b"value"


@pytest.mark.parametrize("name", [b"", b"user." + b"x" * (XATTR_NAME_BYTES_MAX - 4)], ids=len)
def test_name_out_of_range(session: Session, name: bytes) -> None:
    node = make_file(session, b"a")
    with pytest.raises(SqlfsError) as set_:
        session.setxattr(node, name, b"value")
    with pytest.raises(SqlfsError) as got:
        session.getxattr(node, name)
    assert set_.value.errno == got.value.errno == errno.ERANGE


def test_name_without_a_rest(session: Session) -> None:
    with pytest.raises(Invalid):
        session.setxattr(make_file(session, b"a"), b"user.", b"value")


@pytest.mark.parametrize("name", [b"system.a", b"other.a", b"plain"])
def test_other_namespaces(session: Session, name: bytes) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotSupported):
        session.setxattr(node, name, b"value")
    with pytest.raises(NotSupported):
        session.getxattr(node, name)
    with pytest.raises(NotSupported):
        session.removexattr(node, name)


def test_names_are_bounded_in_sum(session: Session) -> None:
    node = make_file(session, b"a")
    filler = b"x" * (XATTR_NAME_BYTES_MAX - len(b"user.000"))
    refused = False
    for i in range(XATTR_LIST_BYTES_MAX // XATTR_NAME_BYTES_MAX + 1):
        try:
            session.setxattr(node, b"user.%03d" % i + filler, b"")
        except SqlfsError:
            refused = True
            break
    assert refused
    assert sum(len(name) + 1 for name in session.listxattr(node)) <= XATTR_LIST_BYTES_MAX


def test_changes_touch_ctime_only(session: Session) -> None:
    node = make_directory(session, b"a")
    age(session, node)
    session.setxattr(node, NAME, b"value")
    assert touched(session, node) == (False, True)
    age(session, node)
    session.removexattr(node, NAME)
    assert touched(session, node) == (False, True)
    age(session, node)
    with pytest.raises(NoAttribute):
        session.removexattr(node, NAME)
    assert touched(session, node) == (False, False)


def test_belong_to_the_node(session: Session) -> None:
    node = make_file(session, b"a")
    session.setxattr(node, NAME, b"value")
    session.link(node, session.root, b"b")
    session.rename(session.root, b"a", session.root, b"c")
    assert session.getxattr(session.lookup(session.root, b"b").node, NAME) == b"value"
    session.unlink(session.root, b"b")
    session.unlink(session.root, b"c")
    again = make_file(session, b"a")
    assert session.listxattr(again) == []


def test_of_an_orphan(session: Session) -> None:
    node = make_file(session, b"a")
    session.pin(node)
    session.unlink(session.root, b"a")
    session.setxattr(node, NAME, b"value")
    assert session.getxattr(node, NAME) == b"value"
