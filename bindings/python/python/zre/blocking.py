"""Nodes for programs without asyncio. Each call waits on the caller's thread, without the
interpreter's lock; Ctrl-C ends it.

>>> with zre.blocking.Node("alice", group="chat") as node:
...     node.wait_for_peers(1)
...     node.shout("chat", "hello")
...     for event in node.events():
...         print(event)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ._base import Base
from ._native import Event, Message, Peer, Request, Responder
from ._types import Content, Settings, Shouted, To

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

__all__ = ["Node"]


class Node(Base):
    """A node on the network, for programs without asyncio.

    Any thread may use it at any time. It starts with ``with``, or by ``start()``, and
    leaves at the end of the block, or by ``close()``. Settings are named arguments:
    ``zre.settings()`` lists them.

    >>> node = zre.blocking.Node("alice", interface="lo", evasive=2.5).start()
    >>> node.close()
    """

    def __init__(self, name: str | None = None, **settings: Unpack[Settings]) -> None:
        super().__init__(name, dict(settings))

    def start(self) -> Self:
        """Starts the node. Raises ``StartError``, which says what to do."""
        self._native.start(False)
        self._started()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self, timeout: float = 5.0) -> None:
        """Leaves: waits until every peer has confirmed what was sent to it, and says
        goodbye. Takes about 50 ms if all peers answer, and ``timeout`` seconds at most.

        Events that came before can still be read. Closing it again does nothing.
        """
        if not self._native.is_here or not self._running:
            return
        try:
            if self._native.is_open:
                self._native.shutdown(timeout, False)
        finally:
            self._native.finish(0.0)
            self._stopped()

    def events(self) -> Iterator[Event]:
        """The events, waited for, until the node has stopped. Each event goes to one
        reader, also if several threads read.

        Read them all the time: if 16 MiB of them wait (setting ``event_queue_bytes``), the
        peers are held back.
        """
        return iter(self._native.recv, None)

    def recv(self, timeout: float | None = None) -> Event | None:
        """Waits for the next event; ``None`` once the node has stopped.

        Raises ``ElapsedError``, a ``TimeoutError``, if none came in that many seconds.
        """
        return self._native.recv(timeout)

    def try_recv(self) -> Event | None:
        """The next event if one is there."""
        return self._native.try_recv()

    def whisper(self, to: To, message: Content) -> None:
        """Sends a message to one peer.

        When it returns, the message is in the queue to the peer, and arrives in order
        unless the peer exits first. A full queue is waited for as ``send_policy`` says,
        which is 10 s by default.

        Raises a ``SendError``: ``UnknownPeerError``, ``GoneError``, ``FullError``, ...
        """
        if self._native.try_whisper(to, message) == 1:
            self._native.whisper(to, message, False)

    def shout(self, group: str, message: Content) -> Shouted:
        """Sends a message to every peer in a group; this node needn't be in it."""
        return Shouted(*self._native.shout(group, message, False))

    def shout_to(self, to: To, group: str, message: Content) -> None:
        """Sends a message that is for a group to one member of it."""
        self._native.shout_to(to, group, message, False)

    def request(self, to: To, message: Content, timeout: float = 10.0) -> Message:
        """Sends a request to a peer and waits for the answer.

        Raises at once if the peer isn't here, exits, doesn't know requests
        (``UnsupportedError``) or drops it (``UnansweredError``), and ``ElapsedError`` when
        the time is over.
        """
        return self._native.request(to, message, timeout, False)

    def reply(self, request: Request | Responder | int, message: Content) -> None:
        """Answers a request: the event, its responder, or its number.

        Raises ``AnsweredError``, ``UnknownRequestError`` or a ``SendError``.
        """
        self._native.reply(request, message, False)

    def ping(self, to: To, timeout: float = 10.0) -> float:
        """Measures the round trip to a peer, in seconds."""
        return self._native.ping(to, timeout, False)

    def join(self, group: str) -> bool:
        """Joins a group and tells every peer. True if the node wasn't in it."""
        return self._native.join(group, False)

    def leave(self, group: str) -> bool:
        """Leaves a group and tells every peer. True if the node was in it."""
        return self._native.leave(group, False)

    def contest(self, group: str) -> bool:
        """Makes this node a candidate for leading a group. True if it wasn't one."""
        return self._native.contest(group, False)

    def leader(self, group: str) -> UUID | None:
        """The UUID of the leader of a group that this node is in."""
        return self._native.leader(group, False)

    def set_state(self, state: str) -> None:
        """Sets the node's state and announces it: ``"init"``, ``"ready"``, ``"busy"``,
        ``"draining"``, ``"asleep"``, or a number of your own, ``"128"`` to ``"255"``."""
        self._native.set_state(state, False)

    def set_name(self, name: str) -> bool:
        """Gives this node another name. True if it had another one."""
        return self._native.set_name(name, False)

    def set_header(self, key: str, value: str) -> bool:
        """Adds a header, or gives it another value. True if that changes something."""
        return self._native.set_header(key, value, False)

    def remove_header(self, key: str) -> bool:
        """Removes a header. True if the node had one."""
        return self._native.remove_header(key, False)

    def add_peer(self, endpoint: str, key: str | None = None) -> None:
        """Adds an address at which a node should be, as ``tcp://10.0.0.2:5670``. A node
        with keys needs the public key of the one there."""
        self._native.add_peer(endpoint, key, False)

    def remove_peer(self, endpoint: str) -> None:
        """Removes an address that was configured or added: it isn't dialled again."""
        self._native.remove_peer(endpoint, False)

    def wait_for_peers(
        self, count: int = 1, *, group: str | None = None, timeout: float = 10.0
    ) -> list[Peer]:
        """Waits until at least that many peers are here, or in a group, and returns them.

        Raises ``ElapsedError`` if fewer were here in time.
        """
        return self._native.wait_for_peers(count, group, timeout, False)

    def silences(self) -> dict[UUID, float]:
        """The seconds since each peer was last heard, without those of this process."""
        return self._native.silences(False)

    def stats(self) -> dict[str, Any]:
        """The node's figures: what it holds, and what it has counted."""
        return self._native.stats(False)
