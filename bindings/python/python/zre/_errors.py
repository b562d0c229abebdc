"""The exceptions. Each class stands for the errors of the Rust library of one code."""

from __future__ import annotations

from typing import Any


class Error(Exception):
    """The base of all exceptions of this package.

    ``str(error)`` says what to do. ``error.code`` is a word that stays the same in later
    versions.
    """

    code: str = ""

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message)
        self.__dict__.update(details)


class SettingError(Error, ValueError):
    """There is no such setting, or it doesn't take this value."""


class StartError(Error):
    """The node can't start; ``error.reason`` is a word for the cause, as ``"no_port"``."""

    reason: str = ""


class LimitError(Error, ValueError):
    """A name, header or group that peers wouldn't accept, or too many of them."""


class StateError(Error, ValueError):
    """A state that only the protocol sets, or no state at all."""


class StoppedError(Error):
    """The node has stopped."""


class NotStartedError(Error):
    """The node isn't started yet."""


class AlreadyStartedError(Error):
    """A node starts once."""


class ForkedError(Error):
    """The process was forked: the node runs in the process that it was started in."""


class ElapsedError(Error, TimeoutError):
    """The time is over."""


class SendError(Error):
    """A message wasn't accepted for a peer. Nothing was sent."""


class UnknownPeerError(SendError, LookupError):
    """No peer of that UUID or name is here."""


class AmbiguousPeerError(SendError, LookupError):
    """``error.count`` peers have that name: use the UUID."""

    count: int = 0


class FullError(SendError):
    """The queue to the peer had no room in the time allowed."""


class GoneError(SendError):
    """The peer has gone, or is leaving."""


class TooLargeError(SendError, ValueError):
    """The message exceeds a limit: ``error.size`` and ``error.limit``."""

    size: int = 0
    limit: int = 0


class TooManyError(Error):
    """Too many pings or requests wait for answers."""


class RequestError(Error):
    """A request has no answer."""


class UnsupportedError(RequestError):
    """The peer runs another implementation of ZRE: use ``whisper``."""


class UnansweredError(RequestError):
    """The peer's program dropped the request without an answer."""


class ReplyError(Error):
    """An answer wasn't accepted. Nothing was sent."""


class AnsweredError(ReplyError):
    """The request is answered already."""


class UnknownRequestError(ReplyError, LookupError):
    """No request of that number is open."""


BY_CODE = {
    "setting": SettingError,
    "start": StartError,
    "limit": LimitError,
    "state": StateError,
    "stopped": StoppedError,
    "not_started": NotStartedError,
    "started": AlreadyStartedError,
    "forked": ForkedError,
    "elapsed": ElapsedError,
    "unknown_peer": UnknownPeerError,
    "ambiguous_peer": AmbiguousPeerError,
    "full": FullError,
    "gone": GoneError,
    "too_large": TooLargeError,
    "too_many": TooManyError,
    "unsupported": UnsupportedError,
    "unanswered": UnansweredError,
    "answered": AnsweredError,
    "unknown_request": UnknownRequestError,
}
