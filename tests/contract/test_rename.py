"""Rename in all its forms."""

from __future__ import annotations

import pytest

from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    SqlfsError,
)
from sqlfs.types import RenameFlag
from sqlfs.volume.session import Session
from tests.contract.nodes import (
    KINDS,
    age,
    content,
    make,
    make_directory,
    make_file,
    names,
    touched,
)

DIRECTORIES = ("empty", "full")


def verdict(kind: str, there: str) -> type[SqlfsError] | None:
    """What rename of a `kind` over a `there` raises."""
    if kind in DIRECTORIES:
        if there not in DIRECTORIES:
            return NotADirectory
        return NotEmpty if there == "full" else None
    return IsADirectory if there in DIRECTORIES else None


@pytest.mark.parametrize("kind", KINDS)
def test_to_a_free_name(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    session.rename(session.root, b"a", session.root, b"b")
    assert names(session) == [b"b"]
    assert session.lookup(session.root, b"b").node == node


@pytest.mark.parametrize("kind", KINDS)
def test_to_another_directory(session: Session, kind: str) -> None:
    directory = make_directory(session, b"directory")
    node = make(session, kind, b"a")
    session.rename(session.root, b"a", directory, b"b")
    assert names(session) == [b"directory"]
    assert names(session, directory) == [b"b"]
    assert session.lookup(directory, b"b").node == node


@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_over(session: Session, kind: str, there: str) -> None:
    node, replaced = make(session, kind, b"a"), make(session, there, b"b")
    error = verdict(kind, there)
    if error is None:
        session.rename(session.root, b"a", session.root, b"b")
        assert names(session) == [b"b"]
        assert session.lookup(session.root, b"b").node == node
        with pytest.raises(NotFound):
            session.getattr(replaced)
    else:
        with pytest.raises(error):
            session.rename(session.root, b"a", session.root, b"b")
        assert names(session) == [b"a", b"b"]
        assert session.lookup(session.root, b"b").node == replaced


@pytest.mark.parametrize("there", KINDS)
def test_noreplace_over(session: Session, there: str) -> None:
    make_file(session, b"a")
    make(session, there, b"b")
    with pytest.raises(AlreadyExists):
        session.rename(session.root, b"a", session.root, b"b", RenameFlag.NOREPLACE)
    assert names(session) == [b"a", b"b"]


def test_noreplace_to_a_free_name(session: Session) -> None:
    node = make_file(session, b"a")
    session.rename(session.root, b"a", session.root, b"b", RenameFlag.NOREPLACE)
    assert session.lookup(session.root, b"b").node == node


def exchange(session: Session, parent: int, name: bytes, to: int, new_name: bytes) -> None:
    session.rename(parent, name, to, new_name, RenameFlag.EXCHANGE)


def test_exchange_of_files(session: Session) -> None:
    one, two = make_file(session, b"a", b"1"), make_file(session, b"b", b"2")
    exchange(session, session.root, b"a", session.root, b"b")
    assert session.lookup(session.root, b"a").node == two
    assert session.lookup(session.root, b"b").node == one
    assert content(session, two) == b"2"


def test_exchange_of_a_directory_and_a_file_moves_the_link(session: Session) -> None:
    upper = make_directory(session, b"upper")
    lower = make_directory(session, b"lower", upper)
    file = make_file(session, b"file")
    exchange(session, upper, b"lower", session.root, b"file")
    assert session.getattr(upper).nlink == 2
    assert session.getattr(session.root).nlink == 4
    assert session.lookup(upper, b"lower").node == file
    assert session.path_of(lower) == b"/file"
    assert session.lookup(lower, b"..").node == session.root


def test_exchange_with_a_missing_name(session: Session) -> None:
    make_file(session, b"a")
    with pytest.raises(NotFound):
        exchange(session, session.root, b"a", session.root, b"b")
    assert names(session) == [b"a"]


def test_exchange_with_its_own_descendant(session: Session) -> None:
    upper = make_directory(session, b"upper")
    make_directory(session, b"lower", upper)
    for one, two in (((session.root, b"upper"), (upper, b"lower")),) * 2:
        with pytest.raises(Invalid):
            exchange(session, *one, *two)
        with pytest.raises(Invalid):
            exchange(session, *two, *one)


def test_exchange_with_itself_and_with_noreplace(session: Session) -> None:
    node = make_file(session, b"a")
    exchange(session, session.root, b"a", session.root, b"a")
    assert session.lookup(session.root, b"a").node == node
    with pytest.raises(Invalid):
        session.rename(
            session.root, b"a", session.root, b"a", RenameFlag.EXCHANGE | RenameFlag.NOREPLACE
        )


def test_of_a_missing_name(session: Session) -> None:
    make_file(session, b"b")
    with pytest.raises(NotFound):
        session.rename(session.root, b"a", session.root, b"b")
    assert names(session) == [b"b"]


def test_in_what_is_no_directory(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotADirectory):
        session.rename(session.root, b"a", node, b"b")
    with pytest.raises(NotADirectory):
        session.rename(node, b"a", session.root, b"b")


def test_into_a_removed_directory(session: Session) -> None:
    make_file(session, b"a")
    directory = make_directory(session, b"directory")
    session.pin(directory)
    session.rmdir(session.root, b"directory")
    with pytest.raises(NotFound):
        session.rename(session.root, b"a", directory, b"b")
    assert names(session) == [b"a"]


def test_to_itself(session: Session) -> None:
    node = make_file(session, b"a")
    age(session, node, session.root)
    session.rename(session.root, b"a", session.root, b"a")
    assert names(session) == [b"a"]
    assert touched(session, node) == (False, False)
    assert touched(session, session.root) == (False, False)


def test_over_another_name_of_the_same_node(session: Session) -> None:
    node = make_file(session, b"a")
    session.link(node, session.root, b"b")
    age(session, node)
    session.rename(session.root, b"a", session.root, b"b")
    assert names(session) == [b"a", b"b"]
    assert session.getattr(node).nlink == 2
    assert touched(session, node) == (False, False)


def test_into_its_own_subtree(session: Session) -> None:
    outer = make_directory(session, b"outer")
    inner = make_directory(session, b"inner", outer)
    with pytest.raises(Invalid):
        session.rename(session.root, b"outer", outer, b"x")
    with pytest.raises(Invalid):
        session.rename(session.root, b"outer", inner, b"x")
    assert session.path_of(inner) == b"/outer/inner"


@pytest.mark.parametrize("kind", KINDS)
def test_over_its_own_ancestor(session: Session, kind: str) -> None:
    outer = make_directory(session, b"outer")
    middle = make_directory(session, b"middle", outer)
    node = make(session, kind, b"a", middle)
    with pytest.raises(NotEmpty):
        session.rename(middle, b"a", session.root, b"outer")
    assert session.lookup(middle, b"a").node == node


def test_touches_both_parents_and_the_node(session: Session) -> None:
    source = make_directory(session, b"source")
    target = make_directory(session, b"target")
    node = make_file(session, b"a", parent=source)
    age(session, source, target, node, session.root)
    session.rename(source, b"a", target, b"b")
    assert touched(session, source) == (True, True)
    assert touched(session, target) == (True, True)
    assert touched(session, node) == (False, True)
    assert touched(session, session.root) == (False, False)


def test_keeps_the_parents_link_counts(session: Session) -> None:
    source = make_directory(session, b"source")
    target = make_directory(session, b"target")
    make_directory(session, b"a", source)
    make_directory(session, b"b", target)
    assert session.getattr(source).nlink == 3
    session.rename(source, b"a", target, b"a")
    assert session.getattr(source).nlink == 2
    assert session.getattr(target).nlink == 4
    session.rename(target, b"a", target, b"b")
    assert session.getattr(target).nlink == 3


def test_moves_the_parent_of_a_directory(session: Session) -> None:
    target = make_directory(session, b"target")
    moved = make_directory(session, b"moved")
    session.rename(session.root, b"moved", target, b"moved")
    assert session.lookup(moved, b"..").node == target
    with pytest.raises(Invalid):
        session.rename(session.root, b"target", moved, b"x")


def test_over_one_of_several_links(session: Session) -> None:
    replaced = make_file(session, b"a", b"old")
    session.link(replaced, session.root, b"b")
    make_file(session, b"new", b"new")
    age(session, replaced)
    session.rename(session.root, b"new", session.root, b"b")
    assert session.getattr(replaced).nlink == 1
    assert touched(session, replaced) == (False, True)
    assert content(session, replaced) == b"old"


def test_a_failure_changes_nothing(session: Session) -> None:
    make(session, "full", b"full")
    node = make_directory(session, b"empty")
    age(session, session.root, node)
    with pytest.raises(NotEmpty):
        session.rename(session.root, b"empty", session.root, b"full")
    assert touched(session, session.root) == (False, False)
    assert touched(session, node) == (False, False)


def listed(session: Session) -> dict[bytes, int]:
    return {entry.name: entry.cookie for entry in session.readdir(session.root, 0, 100)}


def test_a_renamed_entry_keeps_its_place_in_listings(session: Session) -> None:
    for name in (b"a", b"b", b"c"):
        make_file(session, name)
    before = listed(session)
    session.rename(session.root, b"b", session.root, b"B")
    assert listed(session) == {b"a": before[b"a"], b"B": before[b"b"], b"c": before[b"c"]}


def test_a_replaced_name_keeps_its_place_in_listings(session: Session) -> None:
    for name in (b"new", b"a", b"old"):
        make_file(session, name)
    before = listed(session)
    session.rename(session.root, b"new", session.root, b"old")
    assert listed(session) == {b"a": before[b"a"], b"old": before[b"old"]}


def test_exchanged_names_keep_their_places_in_listings(session: Session) -> None:
    for name in (b"a", b"b"):
        make_file(session, name)
    before = listed(session)
    session.rename(session.root, b"a", session.root, b"b", RenameFlag.EXCHANGE)
    assert listed(session) == before
