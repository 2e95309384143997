"""A session that outlasts the owner it began under."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from sqlfs.errors import ConnectionLost, InputOutput, InUse, SqlfsError
from sqlfs.limits import OWNER_AWAITED_S_MAX
from sqlfs.owner.backend import Link
from sqlfs.owner.held import Handle, Held
from sqlfs.owner.remote_session import RemoteSession
from sqlfs.owner.succession import Backend, Succession
from sqlfs.owner.unsettled import Unsettled
from sqlfs.owner.verbs import SessionRequest
from sqlfs.types import Change, ChangeKind, VolumeInfo
from sqlfs.volume.session import Listener

_RETRY_S: Final = 0.05
EVERYTHING: Final = (Change(ChangeKind.EVERYTHING, 0),)

R = TypeVar("R")

log = logging.getLogger(__name__)


class Lasting:
    """How the session moves from owner to owner; the verbs are built on it.

    At a time it has one *link*, a session under the present owner.  When that is lost, one thread
    gets the next one and presents what the session holds, while the others wait.

    Changing verbs take turns and are numbered.  The number of the last one that is stored is found
    with the next link: a verb that was under way when the owner died is done once more if it is
    above, and only answered if it is not.  The condition guards all but the numbers, which belong
    to whoever has the turn.
    """

    def __init__(self, succession: Succession, backend: Backend, request: SessionRequest) -> None:
        """Raises what opening a session does."""
        self._succession = succession
        self._request = request
        self._state = threading.Condition()
        self._backend = backend
        self._link: Link = backend.session(request, succession.end_request)
        self._moves = 0  # how often what is held was presented to another link
        self._found_applied = 0
        self._is_moving = False
        self._held = Held()
        self._unsettled = Unsettled()
        self._listeners: list[Listener] = []
        # Links for which the listeners have not yet forgotten what they knew.
        self._forgetting = 0
        self._turn = threading.Lock()
        self._number = 0
        self.closed = False
        self._adopt(self._link)
        succession.add(self)

    def _adopt(self, link: Link) -> None:
        if isinstance(link, RemoteSession):
            link.on_drop(partial(self._dropped, link))

    @property
    def volume(self) -> VolumeInfo:
        return self._link.volume

    @property
    def root(self) -> int:
        return self._link.root

    @property
    def read_only(self) -> bool:
        return self._link.read_only

    @property
    def is_mount(self) -> bool:
        return self._request.door == "fuse"

    # --- asking and changing ---

    def _ask(self, ask: Callable[[Link], R]) -> R:
        """What `ask` returns for the present link, or the next.  Raises ConnectionLost when there
        is none in time."""
        while True:
            link = self._link
            try:
                return ask(link)
            except ConnectionLost as lost:
                self._move(link, lost)

    def _ask_handle(self, handle: Handle, ask: Callable[[Link, int], R]) -> R:
        return self._ask(lambda link: ask(link, self._number_of(handle, link)))

    def _number_of(self, handle: Handle, link: Link) -> int:
        """What `link` calls the handle.  Raises InputOutput if it is gone, ConnectionLost if it is
        of another link still."""
        with self._state:
            if handle.link is not link:
                if link is not self._link:
                    raise ConnectionLost("another owner has been found meanwhile")
                # It was opened just when its owner died.
                (handle.number,) = link.present([handle.presented()], [])
                handle.link = link
            if not handle.number:
                raise InputOutput(
                    f"what was open as node {handle.node} died with the process that owned"
                    f" {self._succession.path}"
                )
            return handle.number

    def _change(
        self,
        perform: Callable[[Link, int], R],
        nodes: tuple[int, ...],
        answer: Callable[[Link], R],
    ) -> R:
        """Have `perform` change `nodes`, told the verb's number, exactly once.  Where it is done
        but the owner died before it could say so, `answer` tells what it would have said."""
        if not isinstance(self._link, RemoteSession):
            return perform(self._link, 0)  # here is the owner: they die together
        with self._turn:
            self._number += 1
            number = self._number
            while True:
                link = self._link
                try:
                    result = perform(link, number)
                except ConnectionLost as lost:
                    self._move(link, lost)
                    if self._found_applied < 0:
                        raise InputOutput(
                            f"the process that owned {self._succession.path} died, and whether the"
                            " last change was made is not known"
                        ) from lost
                    if self._found_applied >= number:
                        return self._ask(answer)
                else:
                    self._note(link, number, nodes)
                    return result

    def _note(self, link: Link, number: int, nodes: tuple[int, ...]) -> None:
        with self._state:
            if self._link is link:
                self._unsettled.note(number, nodes)
                self._unsettled.settle(link.settled)
            elif number > self._found_applied:
                self._held.lose(nodes, self._why_lost())

    def _why_lost(self) -> str:
        return (
            f"the process that owned {self._succession.path} died before what was changed last was"
            " durable"
        )

    # --- moving on ---

    def go_on(self, lost: Backend) -> None:
        link = self._link
        if self._backend is lost:
            self._dropped(link)

    def _dropped(self, link: Link) -> None:
        """The connections of `link` have ended."""
        try:
            if not self.closed:
                self._move(link, ConnectionLost(f"the owner of {self._succession.path} is gone"))
        except SqlfsError as error:
            log.warning("%s", error)

    def _move(self, lost: Link, why: ConnectionLost) -> None:
        """Return when the session has another link than `lost`.  Raises ConnectionLost."""
        if self._succession.is_foreign:
            raise why
        deadline = time.monotonic() + OWNER_AWAITED_S_MAX
        with self._state:
            while self._is_moving and self._link is lost:
                if not self._state.wait(max(0.0, deadline - time.monotonic())):
                    raise why
            if self._link is not lost:
                return
            if self.closed:
                raise why
            self._is_moving = True
        try:
            self._find_link(deadline, why)
        except ConnectionLost:
            raise
        except SqlfsError as error:
            raise ConnectionLost(f"the session can't go on: {error}") from error
        finally:
            with self._state:
                self._is_moving = False
                self._state.notify_all()

    def _find_link(self, deadline: float, why: ConnectionLost) -> None:
        request = replace(self._request, claim=self._link.id, root=self._link.root)
        while True:
            backend = self._succession.backend
            try:
                self._present(backend, backend.session(request, self._succession.end_request))
                return
            except ConnectionLost as lost:
                if time.monotonic() > deadline:
                    raise why from lost
                self._succession.renew(backend, lost)
            except InUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)

    def _present(self, backend: Backend, link: Link) -> None:
        with self._state:
            self._moves += 1
            handles, pins = self._held.handles(), self._held.pins()
            listeners = list(self._listeners)
        try:
            for listener in listeners:
                link.subscribe(listener)
            numbers = link.present([handle.presented() for handle in handles], pins)
            link.presented()
        except BaseException:
            _discard(link)
            raise
        with self._state:
            for handle, number in zip(handles, numbers, strict=True):
                handle.link, handle.number = link, number
            self._found_applied = link.found_applied
            lost = self._unsettled.lose_after(self._found_applied)
            self._held.lose(lost, self._why_lost())
            # Before the new link answers: what is then asked of a cache may be old.
            self._forgetting += bool(listeners)
            before, self._link = self._link, link
            self._backend = backend
        if listeners:
            # What happened meanwhile was not heard.  On a thread of its own: the kernel may need
            # answers of this session before it can forget.
            threading.Thread(
                target=self._forget_everything, args=(listeners,), name="sqlfs-changes", daemon=True
            ).start()
        self._adopt(link)
        _discard(before)

    def _forget_everything(self, listeners: list[Listener]) -> None:
        for listener in listeners:
            try:
                listener(EVERYTHING)
            except Exception:
                log.exception("a listener failed")
        with self._state:
            self._forgetting -= 1
            self._state.notify_all()


def _discard(link: Link) -> None:
    if isinstance(link, RemoteSession):
        link.discard()
    else:
        link.close()
