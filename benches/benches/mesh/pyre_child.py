"""pyre's part of a measurement: pyre_child.py ROLE SIZE FRAMES COUNT

Says one word and its value a line, as the other children do. A mailbox of pyre
that holds 3,000 messages drops its peer, so a sender waits for an
acknowledgement every WINDOW messages.
"""

import sys
import time
import uuid

from pyre import Pyre

WINDOW = 500


def say(word, value):
    sys.stdout.write("%s %s\n" % (word, value))
    sys.stdout.flush()


def content(size, frames):
    return [b"x" * size] if frames == 1 else [b"x" * 8, b"y" * (size - 8)]


def entered(node):
    while True:
        event = node.recv()
        if event[0] == b"ENTER":
            return uuid.UUID(bytes=event[1])


def whispers(node):
    """The peer and the frames of each whisper."""
    while True:
        event = node.recv()
        if event[0] == b"WHISPER":
            yield uuid.UUID(bytes=event[1]), event[3:]


def receive(node, message, count):
    start = None
    for seen, (peer, frames) in enumerate(whispers(node), 1):
        start = start or time.perf_counter()
        assert [len(f) for f in frames] == [len(f) for f in message]
        if seen % WINDOW == 0:
            node.whispers(peer, "go on")
        if seen == count:
            say("seconds", time.perf_counter() - start)
            time.sleep(60)


def send(node, message, count):
    peer = entered(node)
    answers = whispers(node)
    for sent in range(count):
        # Two windows are under way at the most.
        if sent >= 2 * WINDOW and sent % WINDOW == 0:
            next(answers)
        node.whisper(peer, message)
    time.sleep(60)


def echo(node, _message, _count):
    for peer, frames in whispers(node):
        node.whisper(peer, frames)


def ping(node, message, count):
    peer = entered(node)
    answers = whispers(node)
    samples = []
    for _ in range(min(count, 4000)):
        start = time.perf_counter_ns()
        node.whisper(peer, message)
        next(answers)
        samples.append(time.perf_counter_ns() - start)
    samples = sorted(samples[len(samples) // 2 :])
    for word, mille in (("p50", 500), ("p99", 990), ("p99.9", 999)):
        say(word, samples[(len(samples) - 1) * mille // 1000])


def watch(node, _message, _count):
    entered(node)
    say("enter", time.time_ns())
    time.sleep(60)


def main():
    role, size, frames, count = sys.argv[1], *map(int, sys.argv[2:5])
    node = Pyre(role)
    begin = time.time_ns()
    node.start()
    if role == "visit":
        say("begin", begin)
    else:
        say("ready", "-")
    roles = {"receive": receive, "send": send, "echo": echo, "ping": ping}
    message = content(size, frames) if size else []
    roles.get(role, watch)(node, message, count)


main()
