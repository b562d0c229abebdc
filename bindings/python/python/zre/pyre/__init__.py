"""pyre's interface, for programs that were written for it: ``import zre.pyre as pyre``.

The nodes are those of this library, which meet those of pyre. ``Pyre.socket()`` and
``Pyre.inbox`` are sockets of pyzmq, which pollers take; only they need pyzmq, and a thread:
a program that reads by ``recv()`` or ``events()`` alone has neither.

What is different: ``start()`` raises ``zre.StartError`` if the node can't start, a name or
header that peers wouldn't accept raises ``zre.LimitError``, and loopback works.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any, Union
from uuid import UUID, uuid4

from .. import __version__
from .._errors import FullError, SendError, StoppedError, UnknownPeerError
from .._native import Peer
from ..blocking import Node

__all__ = ["Pyre", "PyreEvent"]

logger = logging.getLogger("pyre")

#: What pyre's own pipe holds.
_HIGH_WATER = 1000

_Content = Union[bytes, list[bytes]]


class Pyre:
    """A node, with the calls of pyre's."""

    def __init__(self, name: str | None = None, ctx: Any = None, *args: Any, **kwargs: Any) -> None:
        self._uuid = uuid4()
        self._name = name or self._uuid.hex[:6]
        self._context = ctx
        self._settings: dict[str, Any] = {}
        self._headers: dict[str, str] = {}
        self._groups: list[str] = []
        self._node: Node | None = None
        self._stopped = False
        self._said_stop = False
        self._pipe: _Pipe | None = None
        self.verbose = False

    def __bool__(self) -> bool:
        return True

    # Before the start.

    def uuid(self) -> UUID:
        """This node's UUID."""
        return self._uuid

    def name(self) -> str:
        """This node's name."""
        return self._name

    def set_name(self, name: str) -> None:
        """Gives the node another name."""
        self._name = name
        if self._node is not None:
            self._node.set_name(name)

    def set_header(self, key: str, value: str) -> None:
        """Sets a header, which peers learn when they meet the node."""
        self._headers[key] = value
        if self._node is not None:
            self._node.set_header(key, value)

    def set_verbose(self) -> None:
        """Logs all that the node does, as level DEBUG of the logger ``zre``."""
        self.verbose = True
        logging.getLogger("zre").setLevel(logging.DEBUG)

    def set_port(self, port_nbr: int | bytes | str) -> None:
        """Sets the UDP port of the beacons, 5670 unless it is set."""
        self._settings["beacon_port"] = int(port_nbr)

    def set_interval(self, interval: int | str) -> None:
        """Sets the time between beacons, in milliseconds."""
        self._settings["interval"] = f"{int(interval)}ms"

    def set_interface(self, value: str) -> None:
        """Uses this network interface only."""
        self._settings["interface"] = value

    def set_endpoint(self, format: str, *args: Any) -> None:
        """Listens there, and sends no beacons."""
        self._settings["listen"] = format % args if args else format
        self._settings["no_beacon"] = True

    # Its life.

    def start(self) -> None:
        """Starts the node."""
        if self._node is not None:
            return
        settings = dict(self._settings, uuid=self._uuid, group=self._groups)
        settings["header"] = self._headers
        self._node = Node(self._name, **settings).start()
        if self._pipe is not None:
            self._pipe.fill(self)

    def stop(self) -> None:
        """Stops the node: peers learn that it goes. What came before can still be read,
        and STOP behind it."""
        if self._node is not None and not self._stopped:
            self._stopped = True
            self._node.close(timeout=1.0)
            if self._pipe is not None:
                self._pipe.end()

    def endpoint(self) -> str:
        """The endpoint at which peers dial this node."""
        return "" if self._node is None else self._node.endpoint

    # Reading.

    def recv(self) -> list[bytes]:
        """Waits for the next event: its type, the peer's UUID and name, and what belongs
        to the type."""
        if self._pipe is not None:
            return self._pipe.inbox.recv_multipart()
        if self._node is None:
            raise StoppedError("the node isn't started: call start()", code="not_started")
        frames = self._node._native.recv_frames()
        return self._last() if frames is None else frames

    def _last(self) -> list[bytes]:
        if self._said_stop:
            raise StoppedError("the node has stopped", code="stopped")
        self._said_stop = True
        return [b"STOP", self._uuid.bytes, self._name.encode()]

    def events(self) -> Iterator[PyreEvent]:
        """The events, waited for."""
        while True:
            yield PyreEvent(self)

    def recent_events(self) -> Iterator[PyreEvent]:
        """The events that are there."""
        if self._pipe is not None:
            while self._pipe.inbox.poll(0):
                yield PyreEvent(self)
            return
        while self._node is not None:
            frames = self._node._native.try_recv_frames()
            if frames is None:
                return
            yield PyreEvent._of(frames)

    def socket(self) -> Any:
        """A PAIR socket of pyzmq from which the events can be read, to be polled."""
        if self._pipe is None:
            self._pipe = _Pipe(self._context)
            if self._node is not None:
                self._pipe.fill(self)
        return self._pipe.inbox

    @property
    def inbox(self) -> Any:
        """The same as ``socket()``."""
        return self.socket()

    # Groups and messages.

    def join(self, group: str) -> None:
        """Joins a group."""
        if self._node is None:
            self._groups.append(group)
        else:
            self._node.join(group)

    def leave(self, group: str) -> None:
        """Leaves a group."""
        if self._node is not None:
            self._node.leave(group)
        elif group in self._groups:
            self._groups.remove(group)

    def whisper(self, peer: UUID, msg_p: _Content) -> None:
        """Sends a message to a peer; none, if it isn't here."""
        if self._node is None:
            return
        try:
            self._node.whisper(peer, msg_p)
        except FullError as error:
            logger.warning("a whisper to %s is lost: %s", peer, error)
        except SendError as error:
            logger.debug("a whisper to %s is lost: %s", peer, error)

    def shout(self, group: str, msg_p: _Content) -> None:
        """Sends a message to the members of a group."""
        if self._node is None:
            return
        for peer in self._node.shout(group, msg_p).full:
            logger.warning("a shout to %s is lost: its queue is full", peer)

    def whispers(self, peer: UUID, format: str, *args: Any) -> None:
        """Sends text to a peer."""
        self.whisper(peer, (format % args if args else format).encode())

    def shouts(self, group: str, format: str, *args: Any) -> None:
        """Sends text to the members of a group."""
        self.shout(group, (format % args if args else format).encode())

    # Peers.

    def _peer(self, peer: UUID) -> Peer | None:
        try:
            return None if self._node is None else self._node.peer(peer)
        except (UnknownPeerError, StoppedError):
            return None

    def peers(self) -> list[UUID]:
        """The UUIDs of the peers that are here."""
        return [] if self._node is None else [peer.uuid for peer in self._node.peers()]

    def peers_by_group(self, group: str) -> list[UUID]:
        """The UUIDs of the peers in a group."""
        return [] if self._node is None else [peer.uuid for peer in self._node.peers_in(group)]

    def get_peer_name(self, peer: UUID) -> str:
        """The name of a peer; empty if it isn't here."""
        found = self._peer(peer)
        return "" if found is None else found.name

    def peer_address(self, peer: UUID) -> str:
        """The endpoint of a peer; empty if it isn't here."""
        found = self._peer(peer)
        return "" if found is None else found.endpoint

    def peer_header_value(self, peer: UUID, name: str) -> str:
        """A header of a peer; empty if there is none."""
        found = self._peer(peer)
        return "" if found is None else str(found.header(name, ""))

    def peer_headers(self, peer: UUID) -> dict[str, str]:
        """The headers of a peer; none if it isn't here."""
        found = self._peer(peer)
        return {} if found is None else found.headers

    def own_groups(self) -> list[str]:
        """The groups that this node is in."""
        return list(self._groups) if self._node is None else self._node.own_groups()

    def peer_groups(self) -> list[str]:
        """The groups that peers are in."""
        return [] if self._node is None else self._node.peer_groups()

    @staticmethod
    def version() -> tuple[int, ...]:
        """The version of this library."""
        return tuple(int(part) for part in __version__.split("."))


class PyreEvent:
    """An event, taken apart. ``PyreEvent(node)`` waits for the next one."""

    type: str
    peer_uuid_bytes: bytes
    peer_name: str
    #: With ENTER.
    headers: dict[str, str] | None
    #: With ENTER.
    peer_addr: str | None
    #: With JOIN, LEAVE and SHOUT.
    group: str | None
    #: With WHISPER and SHOUT.
    msg: list[bytes] | None

    def __init__(self, node: Pyre) -> None:
        self._read(node.recv())

    @classmethod
    def _of(cls, frames: list[bytes]) -> PyreEvent:
        event = cls.__new__(cls)
        event._read(frames)
        return event

    def _read(self, frames: list[bytes]) -> None:
        self.type = frames[0].decode()
        self.peer_uuid_bytes = frames[1]
        self.peer_name = frames[2].decode()
        self.headers = self.peer_addr = self.group = self.msg = None
        rest = frames[3:]
        if self.type == "ENTER":
            self.headers = json.loads(rest[0])
            self.peer_addr = rest[1].decode()
        elif self.type in ("JOIN", "LEAVE"):
            self.group = rest[0].decode()
        elif self.type == "WHISPER":
            self.msg = rest
        elif self.type == "SHOUT":
            self.group, self.msg = rest[0].decode(), rest[1:]

    def header(self, name: str) -> str | None:
        """One of the headers that came with ENTER."""
        return (self.headers or {}).get(name)

    @property
    def peer_uuid(self) -> UUID:
        """The peer's UUID."""
        return UUID(bytes=self.peer_uuid_bytes)

    def __str__(self) -> str:
        return f"<{__name__} {self.type} from {self.peer_uuid.hex}>"


class _Pipe:
    """Two sockets of pyzmq: a thread writes the events into one, and the program reads
    them from the other."""

    def __init__(self, context: Any) -> None:
        try:
            from .zhelper import zcreate_pipe
        except ImportError as error:
            raise ImportError(
                "Pyre.socket() is a socket of pyzmq: pip install pyzmq, or read by recv()"
            ) from error
        import zmq

        self._thread: threading.Thread | None = None
        self.inbox, self._outbox = zcreate_pipe(context or zmq.Context.instance(), _HIGH_WATER)

    def fill(self, node: Pyre) -> None:
        """Starts the thread."""
        native = node._node._native if node._node is not None else None
        self._thread = threading.Thread(
            target=self._fill, args=(node, native), name="zre-pyre", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Waits for the thread, once the node has stopped."""
        if self._thread is not None:
            self._thread.join()

    def _fill(self, node: Pyre, native: Any) -> None:
        import zmq

        frames: list[bytes] | None = []
        try:
            while frames is not None:
                frames = native.recv_frames()
                # A program that has stopped its node may never read again.
                while not self._outbox.poll(100, zmq.POLLOUT):
                    if node._stopped:
                        return
                self._outbox.send_multipart(node._last() if frames is None else frames)
        except zmq.ZMQError:
            # The program has closed the socket, or its context.
            pass
        finally:
            # What it hasn't read yet can still be read.
            self._outbox.close(linger=-1)
