"""What belongs to all nodes of the process: their log, and its end."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from typing import Any

from . import _native

logger = logging.getLogger("zre")
logger.addHandler(logging.NullHandler())

_open: weakref.WeakSet[Any] = weakref.WeakSet()


def update_log_level() -> None:
    """Looks at the level of the logger ``zre`` again.

    What is below it isn't even formatted. Each node looks at it when it starts; call this
    if you change the level later.
    """
    _native.set_log_level(logger.getEffectiveLevel())


def _read_log() -> None:
    while True:
        taken = _native.take_log()
        if taken is None:
            return
        lines, lost = taken
        for level, name, text in lines:
            logging.getLogger(name).log(level, "%s", text)
        if lost:
            logger.warning("%d lines were lost: the handlers of logging are too slow", lost)


def opened(node: Any) -> None:
    """A node runs from now on."""
    _open.add(node)
    if _native.log_is_unread():
        threading.Thread(target=_read_log, name="zre-log", daemon=True).start()


def closed(node: Any) -> None:
    """A node that ran doesn't any more."""
    _open.discard(node)
    _native.wait_for_log()


def _leave() -> None:
    """Nodes that are open at the end of the program say goodbye."""
    for node in list(_open):
        node._close_at_exit()


def _after_fork() -> None:
    _native.forked_here()
    _open.clear()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
