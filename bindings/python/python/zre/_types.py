"""Types for type checkers, and small results."""

from __future__ import annotations

import collections.abc
import datetime
import os
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict, Union
from uuid import UUID

from . import _native
from ._native import Message, Peer

# `case zre.Whisper(peer, [verb, content])` takes a message apart.
collections.abc.Sequence.register(Message)

#: Whom a message is for: a peer, its UUID, or a name that only one peer has.
To = Union[Peer, UUID, str]

#: A frame: text is sent as UTF-8.
Frame = Union[bytes, bytearray, memoryview, str]

#: A message: a frame, a list of frames, or a message that was received.
Content = Union[Frame, Sequence[Frame], Message]

#: Seconds as a number, a span, or text with a unit as ``"250ms"``.
Time = Union[int, float, datetime.timedelta, str]
_Texts = Union[str, Sequence[str]]
_Path = Union[str, "os.PathLike[str]"]


class Settings(TypedDict, total=False):
    """The settings of a node, by name; ``zre.settings()`` explains each."""

    uuid: UUID | str | None
    keys: _Path | None
    trust: str | None
    plain_too: bool | None
    plain_group: _Texts | None
    group: _Texts | None
    contest: _Texts | None
    header: dict[str, str] | None
    state: str | int | None
    interface: _Texts | None
    realm: str | None
    beacon_port: int | None
    multicast: _Texts | None
    ttl: int | None
    broadcast: str | None
    interval: Time | None
    no_beacon: bool | None
    peer: _Texts | None
    dns: str | None
    dns_service: str | None
    dns_server: str | None
    gossip_bind: _Texts | None
    gossip_connect: _Texts | None
    evasive: Time | None
    expired: Time | None
    listen: str | int | None
    advertise: str | None
    ipc: _Path | None
    inproc: bool | None
    engine: str | None
    send_policy: str | None
    event_queue_bytes: int | str | None
    auto_busy: bool | None
    limits: dict[str, int | str] | None
    link_limits: dict[str, int | str] | None


class Shouted(NamedTuple):
    """What became of a shout."""

    #: How many members' queues accepted it.
    accepted: int
    #: The members whose queues had no room in time.
    full: list[Peer]
    #: The members that went meanwhile.
    gone: list[Peer]


class Setting(NamedTuple):
    """One of the settings that ``zre.Node`` takes by name."""

    key: str
    topic: str
    #: What to write, as ``TIME`` or ``on|off``.
    value: str
    help: str
    details: str | None
    default: str | None
    #: Whether it takes several values.
    is_list: bool


def settings() -> list[Setting]:
    """All settings that a node takes, by topic.

    >>> for setting in zre.settings():
    ...     print(setting.key, setting.default, setting.help)
    """
    return [Setting(**one) for one in _native.settings_table()]


def named(name: str | None, others: dict[str, Any]) -> _native.Node:
    """A node that isn't started, with these settings."""
    return _native.Node(name=name, **others)
