"""What nodes for asyncio and for other programs have in common: all that waits for
nothing."""

from __future__ import annotations

import warnings
from typing import Any
from uuid import UUID

from . import _life
from ._native import Node as Native
from ._native import Peer
from ._types import Content, Shouted, To, named


class Base:
    """A node that isn't started yet, or runs, or has stopped."""

    _native: Native
    _running: bool = False

    def __init__(self, name: str | None, settings: dict[str, Any]) -> None:
        _life.update_log_level()
        self._native = named(name, settings)

    def _started(self) -> None:
        self._running = True
        _life.opened(self)

    def _stopped(self) -> None:
        self._running = False
        _life.closed(self)

    def _close_at_exit(self) -> None:
        """It is the end of the program: peers that don't answer aren't waited for."""
        self._native.finish(0.5)
        self._stopped()

    def __del__(self) -> None:
        # Not if __init__ has failed, nor in a process that was forked.
        if not self._running or not self._native.is_here:
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
        self._running = False
        self._native.finish(0.0)

    def __repr__(self) -> str:
        kind = f"{type(self).__module__}.{type(self).__qualname__}".replace("._node", "")
        if not self._native.is_here:
            return f"<{kind} of another process>"
        try:
            about = f"{self.name!r} {self.uuid.hex}"
        except Exception:
            return f"<{kind}, not started>"
        return f"<{kind} {about}>" if self._running else f"<{kind} {about}, closed>"

    def __reduce__(self) -> Any:
        raise TypeError("a node can't be pickled: it runs in its own process")

    @property
    def uuid(self) -> UUID:
        """This node's UUID."""
        return self._native.uuid

    @property
    def name(self) -> str:
        """This node's name, as it is now."""
        return self._native.name

    @property
    def headers(self) -> dict[str, str]:
        """This node's headers, as they are now."""
        return self._native.headers

    @property
    def endpoint(self) -> str:
        """An endpoint at which this node can be dialled, as ``tcp://10.0.0.1:49152``."""
        return self._native.endpoint

    @property
    def listening(self) -> list[str]:
        """The addresses that this node listens on."""
        return self._native.listening

    def peer(self, to: To) -> Peer:
        """The peer of that UUID or name.

        Raises ``UnknownPeerError`` if no such peer is here, and ``AmbiguousPeerError`` if
        several have that name.
        """
        return self._native.peer(to)

    def peers(self) -> list[Peer]:
        """All peers that are here, by UUID."""
        return self._native.peers()

    def peers_in(self, group: str) -> list[Peer]:
        """The peers in a group."""
        return self._native.peers_in(group)

    def available(self, group: str) -> list[Peer]:
        """The peers in a group that are ready: not busy, draining or asleep."""
        return self._native.available(group)

    def own_groups(self) -> list[str]:
        """The groups that this node is in."""
        return self._native.own_groups()

    def peer_groups(self) -> list[str]:
        """The groups that any peer is in."""
        return self._native.peer_groups()

    def try_whisper(self, to: To, message: Content) -> bool:
        """Sends a message to one peer, without waiting. False if its queue is full."""
        return self._native.try_whisper(to, message) != 1

    def try_shout(self, group: str, message: Content) -> Shouted:
        """Sends a message to every peer in a group, without waiting. Members whose queues
        have no room don't get it, and are listed in the result."""
        return Shouted(*self._native.try_shout(group, message))
