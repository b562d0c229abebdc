"""Nodes for asyncio.

The node's own thread never waits for the interpreter: it puts events and outcomes into
queues and rings a bell, whose file descriptor the event loop polls. Where the loop can't
poll one, as on Windows, a thread listens to the bell instead.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Callable
from uuid import UUID

from ._base import Base
from ._errors import StoppedError
from ._native import Event, Message, Peer, Request, Responder
from ._native import Node as Native
from ._types import Content, Settings, Shouted, To

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack


class _Events:
    """The events of a node, waited for."""

    __slots__ = ("_node", "_next")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._next = node._native.next_in_turn

    def __aiter__(self) -> _Events:
        return self

    async def __anext__(self) -> Event:
        event = self._next()
        if event is None:
            event = await self._node.recv()
            if event is None:
                raise StopAsyncIteration
        return event


class Node(Base):
    """A node on the network, for asyncio.

    It belongs to the event loop that starts it, and only that loop's thread may use it. It
    starts with ``async with``, or by ``await node.start()``, and leaves at the end of the
    block, or by ``await node.close()``. Settings are named arguments: ``zre.settings()``
    lists them.

    A call that is cancelled may or may not have had its effect, except that a whisper, a
    shout or a reply that was waiting for room isn't sent.

    >>> async with zre.Node("alice", interface="lo", evasive=2.5) as node:
    ...     peers = await node.wait_for_peers(1)
    """

    def __init__(self, name: str | None = None, **settings: Unpack[Settings]) -> None:
        super().__init__(name, dict(settings))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._silence: Callable[[], None] | None = None

    async def start(self) -> Self:
        """Starts the node. Raises ``StartError``, which says what to do."""
        loop = asyncio.get_running_loop()
        number = self._native.start(True)
        self._loop = loop
        self._silence = _listen(self, loop)
        try:
            await self._outcome(number)
        except BaseException:
            self._native.finish(0.0)
            self._forget()
            raise
        self._started()
        return self

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, timeout: float = 5.0) -> None:
        """Leaves: waits until every peer has confirmed what was sent to it, and says
        goodbye. Takes about 50 ms if all peers answer, and ``timeout`` seconds at most.

        Events that came before can still be read. Closing it again does nothing. If it is
        cancelled, the node leaves at once.
        """
        if not self._native.is_here or not self._running:
            return
        try:
            if self._native.is_open:
                await self._outcome(self._native.shutdown(timeout, True))
        finally:
            self._native.finish(0.0)
            self._forget()
            self._stopped()

    def events(self) -> AsyncIterator[Event]:
        """The events, waited for, until the node has stopped. Each event goes to one
        reader, also if several tasks read; none is lost when a reader is cancelled.

        Read them all the time: if 16 MiB of them wait (setting ``event_queue_bytes``), the
        peers are held back.
        """
        return _Events(self)

    async def recv(self) -> Event | None:
        """Waits for the next event; ``None`` once the node has stopped."""
        native = self._native
        if native.next_turn():
            await asyncio.sleep(0)
        while True:
            event = native.poll()
            if event is False:
                return None
            if event is not None:
                return event
            waiter = self._own_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def try_recv(self) -> Event | None:
        """The next event if one is there."""
        return self._native.try_recv()

    async def whisper(self, to: To, message: Content) -> None:
        """Sends a message to one peer.

        When it is done, the message is in the queue to the peer, and arrives in order
        unless the peer exits first. A full queue is waited for as ``send_policy`` says,
        which is 10 s by default.

        Raises a ``SendError``: ``UnknownPeerError``, ``GoneError``, ``FullError``, ...
        """
        sent = self._native.try_whisper(to, message)
        if sent == 1:
            await self._outcome(self._native.whisper(to, message, True))
        elif sent == 2:
            # Who sends all the time lets other tasks run, too.
            await asyncio.sleep(0)

    async def shout(self, group: str, message: Content) -> Shouted:
        """Sends a message to every peer in a group; this node needn't be in it."""
        accepted, full, gone = self._native.try_shout(group, message)
        if not full:
            return Shouted(accepted, full, gone)
        calls = (self.shout_to(peer, group, message) for peer in full)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        late = []
        for peer, outcome in zip(full, outcomes):
            if outcome is None:
                accepted += 1
            elif getattr(outcome, "code", None) == "full":
                late.append(peer)
            elif getattr(outcome, "code", None) == "gone":
                gone.append(peer)
            else:
                raise outcome
        return Shouted(accepted, late, gone)

    async def shout_to(self, to: To, group: str, message: Content) -> None:
        """Sends a message that is for a group to one member of it."""
        await self._outcome(self._native.shout_to(to, group, message, True))

    async def request(self, to: To, message: Content, timeout: float = 10.0) -> Message:
        """Sends a request to a peer and waits for the answer.

        Raises at once if the peer isn't here, exits, doesn't know requests
        (``UnsupportedError``) or drops it (``UnansweredError``), and ``ElapsedError`` when
        the time is over.
        """
        return await self._outcome(self._native.request(to, message, timeout, True))

    async def reply(self, request: Request | Responder | int, message: Content) -> None:
        """Answers a request: the event, its responder, or its number.

        Raises ``AnsweredError``, ``UnknownRequestError`` or a ``SendError``.
        """
        await self._outcome(self._native.reply(request, message, True))

    async def ping(self, to: To, timeout: float = 10.0) -> float:
        """Measures the round trip to a peer, in seconds."""
        return await self._outcome(self._native.ping(to, timeout, True))

    async def join(self, group: str) -> bool:
        """Joins a group and tells every peer. True if the node wasn't in it."""
        return await self._outcome(self._native.join(group, True))

    async def leave(self, group: str) -> bool:
        """Leaves a group and tells every peer. True if the node was in it."""
        return await self._outcome(self._native.leave(group, True))

    async def contest(self, group: str) -> bool:
        """Makes this node a candidate for leading a group. True if it wasn't one."""
        return await self._outcome(self._native.contest(group, True))

    async def leader(self, group: str) -> UUID | None:
        """The UUID of the leader of a group that this node is in."""
        return await self._outcome(self._native.leader(group, True))

    async def set_state(self, state: str) -> None:
        """Sets the node's state and announces it: ``"init"``, ``"ready"``, ``"busy"``,
        ``"draining"``, ``"asleep"``, or a number of your own, ``"128"`` to ``"255"``."""
        await self._outcome(self._native.set_state(state, True))

    async def set_name(self, name: str) -> bool:
        """Gives this node another name. True if it had another one."""
        return await self._outcome(self._native.set_name(name, True))

    async def set_header(self, key: str, value: str) -> bool:
        """Adds a header, or gives it another value. True if that changes something."""
        return await self._outcome(self._native.set_header(key, value, True))

    async def remove_header(self, key: str) -> bool:
        """Removes a header. True if the node had one."""
        return await self._outcome(self._native.remove_header(key, True))

    async def add_peer(self, endpoint: str, key: str | None = None) -> None:
        """Adds an address at which a node should be, as ``tcp://10.0.0.2:5670``. A node
        with keys needs the public key of the one there."""
        await self._outcome(self._native.add_peer(endpoint, key, True))

    async def remove_peer(self, endpoint: str) -> None:
        """Removes an address that was configured or added: it isn't dialled again."""
        await self._outcome(self._native.remove_peer(endpoint, True))

    async def wait_for_peers(
        self, count: int = 1, *, group: str | None = None, timeout: float = 10.0
    ) -> list[Peer]:
        """Waits until at least that many peers are here, or in a group, and returns them.

        Raises ``ElapsedError`` if fewer were here in time.
        """
        return await self._outcome(self._native.wait_for_peers(count, group, timeout, True))

    async def silences(self) -> dict[UUID, float]:
        """The seconds since each peer was last heard, without those of this process."""
        return await self._outcome(self._native.silences(True))

    async def stats(self) -> dict[str, Any]:
        """The node's figures: what it holds, and what it has counted."""
        return await self._outcome(self._native.stats(True))

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise RuntimeError("the node belongs to another event loop: use it there")
        return loop

    async def _outcome(self, number: Any) -> Any:
        future = self._own_loop().create_future()
        self._calls[number] = future
        try:
            return await future
        finally:
            if self._calls.pop(number, None) is not None:
                self._native.cancel(number)

    def _look(self) -> None:
        """The bell has rung."""
        self._native.clear_bell()
        for number, value, error in self._native.outcomes():
            call = self._calls.pop(number, None)
            if call is None or call.done():
                continue
            if error is None:
                call.set_result(value)
            else:
                call.set_exception(error)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _forget(self) -> None:
        """The node has ended: nobody waits for it any more."""
        if self._silence is not None:
            self._silence()
            self._silence = None
        self._look()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if not call.done():
                call.set_exception(StoppedError("the node has stopped", code="stopped"))

    def _close_at_exit(self) -> None:
        super()._close_at_exit()
        if self._silence is not None:
            self._silence()
            self._silence = None

    def __del__(self) -> None:
        super().__del__()
        silence = getattr(self, "_silence", None)
        if silence is not None and self._native.is_here:
            silence()


def _listen(node: Node, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Calls ``_look`` on the loop when the bell rings; gives what ends that.

    The loop doesn't keep the node alive.
    """
    alive = weakref.ref(node)
    native = node._native

    def look() -> None:
        node = alive()
        if node is not None:
            node._look()

    try:
        descriptor = native.descriptor()
        loop.add_reader(descriptor, look)
    except NotImplementedError:
        return _listen_on_thread(native, loop, look)

    def remove(native: Native = native) -> None:
        # With it the descriptor stays open until the loop has forgotten it.
        loop.remove_reader(descriptor)

    def silence() -> None:
        if loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here or not loop.is_running():
            remove()
        else:
            loop.call_soon_threadsafe(remove)

    return silence


def _listen_on_thread(
    native: Native, loop: asyncio.AbstractEventLoop, look: Callable[[], None]
) -> Callable[[], None]:
    ended = threading.Event()

    def listen() -> None:
        count = 0
        while True:
            count = native.wait_for_bell(count)
            if ended.is_set():
                return
            try:
                loop.call_soon_threadsafe(look)
            except RuntimeError:
                # The loop is closed.
                return

    thread = threading.Thread(target=listen, name="zre-bell", daemon=True)
    thread.start()

    def silence() -> None:
        ended.set()
        native.ring_bell()
        if thread is not threading.current_thread():
            thread.join(1.0)

    return silence
