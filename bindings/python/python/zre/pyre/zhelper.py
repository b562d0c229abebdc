"""The helpers of pyre that programs use: pipes of pyzmq's sockets, and threads with one."""

from __future__ import annotations

import threading
import uuid
from typing import Any, Callable

import zmq

__all__ = ["zcreate_pipe", "zthread_fork"]


def zcreate_pipe(ctx: Any, hwm: int = 1000) -> tuple[Any, Any]:
    """Two PAIR sockets that are connected to each other."""
    backend, frontend = ctx.socket(zmq.PAIR), ctx.socket(zmq.PAIR)
    for one in (backend, frontend):
        one.set_hwm(hwm)
        one.setsockopt(zmq.LINGER, 0)
    endpoint = f"inproc://zre-{uuid.uuid4().hex}"
    frontend.bind(endpoint)
    backend.connect(endpoint)
    return frontend, backend


def zthread_fork(ctx: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Runs ``func(ctx, pipe, *args)`` on a thread, and gives the other end of the pipe."""
    ours, theirs = zcreate_pipe(ctx, 100)
    for one in (ours, theirs):
        one.setsockopt(zmq.SNDTIMEO, 5000)
        one.setsockopt(zmq.RCVTIMEO, 5000)
    threading.Thread(target=func, args=(ctx, theirs) + args, kwargs=kwargs, daemon=False).start()
    return ours
