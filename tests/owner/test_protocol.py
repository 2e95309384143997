"""The table of verbs, and the form in which values and messages travel."""

from __future__ import annotations

import inspect
import socket
import struct
from typing import get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfs import errors
from sqlfs.crypto import KdfParameters, KeySlot
from sqlfs.errors import ConnectionLost, InputOutput, Invalid, SqlfsError
from sqlfs.limits import MESSAGE_BYTES_MAX
from sqlfs.owner.channel import Farewell
from sqlfs.owner.client import Client
from sqlfs.owner.codec import codec_of, decode_error, encode_error
from sqlfs.owner.frames import Malformed, pack, receive, send
from sqlfs.owner.remote import RemoteSession
from sqlfs.owner.verbs import (
    CONTROL_VERBS,
    LOCAL_VERBS,
    SESSION_VERBS,
    Control,
    Greeting,
    OpenedSession,
    methods,
)
from sqlfs.types import (
    AttributeChanges,
    Attributes,
    Caller,
    Change,
    DirectoryEntry,
    FileSystemStatus,
    MountInfo,
    RenameFlag,
    VolumeInfo,
    VolumeUsage,
    XattrFlag,
)
from sqlfs.volume.session import Session

INTEGERS = st.integers(-(2**63), 2**63 - 1)


def values(kind: object) -> st.SearchStrategy[object]:
    """Any value of a type that travels."""
    st.register_type_strategy(int, INTEGERS)
    return st.from_type(kind)  # type: ignore[arg-type]


class TestTable:
    def test_every_method_of_a_session_is_in_it(self) -> None:
        assert set(SESSION_VERBS) | LOCAL_VERBS == set(methods(Session))
        assert not set(SESSION_VERBS) & LOCAL_VERBS

    def test_no_name_means_two_things(self) -> None:
        assert not set(SESSION_VERBS) & set(CONTROL_VERBS)

    @pytest.mark.parametrize("name", sorted(methods(Session)))
    def test_a_remote_session_has_the_same_signatures(self, name: str) -> None:
        def shape(function: object) -> object:
            signature = inspect.signature(function)  # type: ignore[arg-type]
            return [(p.name, p.default) for p in signature.parameters.values()], get_type_hints(
                function
            )

        assert shape(getattr(RemoteSession, name)) == shape(getattr(Session, name))

    @pytest.mark.parametrize("name", sorted(methods(Control)))
    def test_the_owner_answers_every_control_verb(self, name: str) -> None:
        theirs = inspect.signature(getattr(Client, name))
        assert theirs.parameters == inspect.signature(getattr(Control, name)).parameters

    def test_defaults_and_keywords_travel_as_arguments(self) -> None:
        rename = SESSION_VERBS["rename"]
        assert rename.encode((1, b"a", 2), {"new_name": b"b"}) == [1, b"a", 2, b"b", 0, None]

    def test_arguments_are_checked(self) -> None:
        with pytest.raises(Malformed):
            SESSION_VERBS["lookup"].decode([1])
        with pytest.raises(Malformed):
            SESSION_VERBS["lookup"].decode([1, "text"])
        with pytest.raises(Malformed):
            SESSION_VERBS["lookup"].decode([True, b"name"])


@pytest.mark.parametrize(
    "kind",
    [
        AttributeChanges,
        Attributes,
        Caller,
        list[Change],
        DirectoryEntry,
        FileSystemStatus,
        Greeting,
        MountInfo,
        OpenedSession,
        RenameFlag,
        XattrFlag,
        VolumeInfo,
        VolumeUsage,
        bytes | None,
        list[bytes],
        tuple[Attributes, int],
    ],
    ids=str,
)
def test_values_come_back_as_they_were(kind: object) -> None:
    codec = codec_of(kind)

    @given(values(kind))
    def check(value: object) -> None:
        travelled = msgpack.unpackb(msgpack.packb(codec.encode(value)))
        assert codec.decode(travelled) == value
        assert type(codec.decode(travelled)) is type(value)

    check()


def test_a_key_slot_comes_back_as_it_was() -> None:
    slots = [(3, KeySlot(b"s" * 32, KdfParameters(64, 1, 1), b"c" * 32, b"wrapped"))]
    codec = codec_of(list[tuple[int, KeySlot]])
    assert codec.decode(msgpack.unpackb(msgpack.packb(codec.encode(slots)))) == slots


@given(
    st.recursive(
        st.none() | st.booleans() | INTEGERS | st.binary(max_size=9) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=13),
        max_leaves=20,
    )
)
def test_no_form_but_the_right_one_is_decoded(value: object) -> None:
    codec = codec_of(DirectoryEntry)
    match value:
        case [int(), bytes(), [*fields]] if len(fields) == 12:
            return
    with pytest.raises(Malformed):
        codec.decode(value)


class TestErrors:
    @pytest.mark.parametrize(
        "kind",
        [
            each
            for each in vars(errors).values()
            if isinstance(each, type) and issubclass(each, SqlfsError)
        ],
    )
    def test_come_back_as_the_same_class(self, kind: type[SqlfsError]) -> None:
        error = decode_error(encode_error(kind("what, where", errno_=7)))
        assert (type(error), error.errno, error.message) == (kind, 7, "what, where")

    def test_of_an_unknown_class_are_input_output_errors(self) -> None:
        error = decode_error(["NewerError", 7, "text"])
        assert (type(error), error.message) == (InputOutput, "text")

    @pytest.mark.parametrize("name", ["OSError", "annotations", "__name__"])
    def test_name_only_classes_of_the_tree(self, name: str) -> None:
        assert type(decode_error([name, 7, "text"])) is InputOutput

    def test_of_a_modules_own_class_travel_as_the_public_one(self) -> None:
        assert encode_error(Farewell("gone"))[0] == "ConnectionLost"

    def test_of_another_form_are_malformed(self) -> None:
        with pytest.raises(Malformed):
            decode_error(["NotFound"])


class TestFrames:
    @pytest.fixture
    def ends(self) -> object:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            yield ours, theirs

    def test_a_message_arrives_whole(self, ends: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = ends
        message = [1, "lookup", [b"\xff\0", "caf\udce9", None, -(2**63), 2**64 - 1]]
        send(ours, message)
        assert receive(theirs) == message

    def test_the_end_is_a_lost_connection(self, ends: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = ends
        ours.sendall(pack([1, 2])[:-1])
        ours.close()
        with pytest.raises(ConnectionLost, match="ended"):
            receive(theirs)

    def test_nothing_over_the_bound_is_read(
        self, ends: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = ends
        ours.sendall(struct.pack("<I", 65))
        with pytest.raises(Malformed, match="limit of 64"):
            receive(theirs, bytes_max=64)

    @pytest.mark.parametrize(
        "body", [b"", b"\xc1", b"\x92\x01", b"\x01", b"\x80", b"\x91" * 2000, b"\x90\x90"]
    )
    def test_what_is_no_list_of_msgpack_is_malformed(
        self, ends: tuple[socket.socket, socket.socket], body: bytes
    ) -> None:
        ours, theirs = ends
        ours.sendall(struct.pack("<I", len(body)) + body)
        with pytest.raises(Malformed):
            receive(theirs)

    @pytest.mark.parametrize("value", [2**64, object(), b"x" * MESSAGE_BYTES_MAX])
    def test_what_can_not_travel_is_not_sent(
        self, ends: tuple[socket.socket, socket.socket], value: object
    ) -> None:
        ours, theirs = ends
        with pytest.raises(Invalid):
            send(ours, [value])
        send(ours, ["next"])
        assert receive(theirs) == ["next"]
