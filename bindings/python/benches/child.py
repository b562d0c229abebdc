"""One part of a measurement by speed.py: child.py LIBRARY ROLE NUMBER NUMBER

Says one word and its value a line.
"""

import asyncio
import contextlib
import sys
import time
import uuid

#: How many messages are under way to pyre, whose sockets hold 3,000.
WINDOW = 500


def say(word, value):
    print(word, value, flush=True)


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def receive_blocking(size, count):
    import zre

    with zre.blocking.Node("receiver", ipc="off") as node:
        say("ready", 0)
        start, seen = None, 0
        for event in node.events():
            match event:
                case zre.Whisper(_, message):
                    start = start or time.perf_counter()
                    seen += 1
                    if seen == count:
                        say("seconds", time.perf_counter() - start)
                        assert message.nbytes == size
                        time.sleep(60)


def send_blocking(size, count):
    import zre

    with zre.blocking.Node("sender", ipc="off") as node:
        (peer,) = node.wait_for_peers(1)
        content = b"x" * size
        for _ in range(count):
            node.whisper(peer, content)
        time.sleep(60)


async def receive_async(size, count):
    import zre

    async with zre.Node("receiver", ipc="off") as node:
        say("ready", 0)
        start, seen = None, 0
        async for event in node.events():
            match event:
                case zre.Whisper(_, message):
                    start = start or time.perf_counter()
                    seen += 1
                    if seen == count:
                        say("seconds", time.perf_counter() - start)
                        assert message.nbytes == size
                        await asyncio.sleep(60)


async def send_async(size, count):
    import zre

    async with zre.Node("sender", ipc="off") as node:
        (peer,) = await node.wait_for_peers(1)
        content = b"x" * size
        for _ in range(count):
            await node.whisper(peer, content)
        await asyncio.sleep(60)


def receive_pyre(Pyre, size, count):
    node = Pyre("receiver")
    node.start()
    say("ready", 0)
    start, seen = None, 0
    while seen < count:
        frames = node.recv()
        if frames[0] == b"WHISPER":
            start = start or time.perf_counter()
            seen += 1
            if seen % WINDOW == 0:
                node.whispers(uuid.UUID(bytes=frames[1]), "go on")
    say("seconds", time.perf_counter() - start)
    assert len(frames[3]) == size
    time.sleep(60)


def send_pyre(Pyre, size, count):
    node = Pyre("sender")
    node.start()

    def until(kind):
        while True:
            frames = node.recv()
            if frames[0] == kind:
                return frames

    peer = uuid.UUID(bytes=until(b"ENTER")[1])
    content = b"x" * size
    for sent in range(count):
        # Two windows are under way at the most.
        if sent >= 2 * WINDOW and sent % WINDOW == 0:
            until(b"WHISPER")
        node.whisper(peer, content)
    time.sleep(60)


def memory_pyre(Pyre, peers):
    node = Pyre("watcher")
    node.start()
    time.sleep(0.5)
    say("alone", resident())
    met = 0
    while met < peers:
        met += node.recv()[0] == b"ENTER"
    time.sleep(2)
    say("together", resident())
    time.sleep(60)


def memory_blocking(peers):
    import zre

    with zre.blocking.Node("watcher", ipc="off") as node:
        time.sleep(0.5)
        say("alone", resident())
        node.wait_for_peers(peers, timeout=60)
        time.sleep(2)
        say("together", resident())
        time.sleep(60)


async def memory_async(peers):
    import zre

    async with zre.Node("watcher", ipc="off") as node:
        await asyncio.sleep(0.5)
        say("alone", resident())
        await node.wait_for_peers(peers, timeout=60)
        await asyncio.sleep(2)
        say("together", resident())
        await asyncio.sleep(60)


def crowd(peers):
    import zre

    with contextlib.ExitStack() as stack:
        for number in range(peers):
            stack.enter_context(zre.blocking.Node("n%d" % number, ipc="off"))
        time.sleep(120)


def main():
    library, role = sys.argv[1:3]
    first, second = map(int, sys.argv[3:5])
    if role == "crowd":
        crowd(first)
    elif library in ("pyre", "zre.pyre"):
        if library == "pyre":
            from pyre import Pyre
        else:
            from zre.pyre import Pyre
        if role == "memory":
            memory_pyre(Pyre, first)
        else:
            {"receive": receive_pyre, "send": send_pyre}[role](Pyre, first, second)
    elif role == "memory":
        memory_blocking(first) if library == "blocking" else asyncio.run(memory_async(first))
    elif library == "blocking":
        {"receive": receive_blocking, "send": send_blocking}[role](first, second)
    else:
        asyncio.run({"receive": receive_async, "send": send_async}[role](first, second))


main()
