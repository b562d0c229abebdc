"""libzmq's own sockets at both ends of our links, greeting by hand, on loopback."""

import os
import signal
import socket

from conversation import FRAMES
from report import require
from sessions import BEATS, QUIET


# Nodes without keys are in these groups.
PLAIN_TOO = ["--plain-too"]
for group in ("OURS", "THEIRS", "TALK"):
    PLAIN_TOO += ["--plain-group", group]


def talk(report, stage, directory):
    """Each engine over tcp and ipc; heartbeats where the engine knows them."""
    os.chmod(directory, 0o700)
    _link(report, stage, "native", "tcp", "a1" * 16, None)
    _link(report, stage, "native", "ipc", "a2" * 16, directory)
    keys = os.path.join(directory, "keys")
    key = stage.keygen(keys)
    _link(report, stage, "native", "tcp", "a5" * 16, None, (keys, key))
    _link(report, stage, "native", "ipc", "a6" * 16, directory, (keys, key))
    # A node that meets peers with keys and without, and one of each.
    _link(report, stage, "native", "tcp", "a7" * 16, None, (keys, key), PLAIN_TOO)
    _link(report, stage, "native", "tcp", "a8" * 16, None, (keys, key), PLAIN_TOO, plain=True)
    _link(report, stage, "zeromq", "tcp", "a3" * 16, None)
    _link(report, stage, "zeromq", "ipc", "a4" * 16, directory)


def _link(report, stage, engine, link, uuid, directory, keys=None, more=(), plain=False):
    """With `keys`, both have keys, or only ours if they are plain."""
    file, key = keys or (None, None)
    options = ["--keys", file] if keys else []
    ours = stage.ours("ours", "--engine", engine, *options, *more, *_options(directory))
    paths = []
    if directory:
        paths = [_path(directory, ours.uuid), _path(directory, uuid)]
    beat = BEATS[engine]
    them = stage.libzmq(beat, "by-hand", uuid, ours.endpoint, *paths, key=None if plain else key)
    both = (ours, them)
    curve = ", CURVE" if keys and not plain else ""
    if more:
        curve += " with plain_too"
    title = "libzmq and our node, %s engine over %s%s: " % (engine, link, curve)
    their_key = them.about["key"]

    with report.check(title + "HELLO and its answer", both):
        them.tell("hello")
        seen = ours.expect("enter", peer=uuid, name="by-hand")
        headers = {"X-SIDE": "libzmq"}
        if their_key:
            headers["X-PUBLICKEY"] = their_key
        require(seen["headers"] == headers, "headers: %r" % seen["headers"])
        require(seen["key"] == their_key, "key: %r" % seen["key"])
        require(seen["link"] == link, "link: %r" % seen["link"])
        ours.expect("join", peer=uuid, group="THEIRS")
        seen = them.expect("enter", peer=ours.uuid, name="ours", by=link)
        require(seen["identity"] == "01" + ours.uuid, "identity: %s" % seen["identity"])
        require(seen["groups"] == ["OURS"], "groups: %r" % seen["groups"])
        require(seen["headers"].get("X-SIDE") == "ours", "headers: %r" % seen["headers"])
        require(seen["headers"].get("X-PUBLICKEY") == key, "headers: %r" % seen["headers"])
    with report.check(title + "join, whisper, shout, leave, ping", both):
        them.tell("join", group="TALK")
        ours.expect("join", peer=uuid, group="TALK")
        ours.tell("join", group="TALK")
        joined = them.expect("join", peer=ours.uuid, group="TALK", by=link)
        them.tell("whisper", peer=ours.uuid, frames=FRAMES)
        ours.expect("whisper", peer=uuid, frames=FRAMES)
        ours.tell("whisper", peer=uuid, frames=FRAMES)
        them.expect("whisper", peer=ours.uuid, frames=FRAMES, by=link)
        them.tell("shout", group="TALK", frames=FRAMES)
        ours.expect("shout", peer=uuid, group="TALK", frames=FRAMES)
        ours.tell("shout", group="TALK", frames=FRAMES)
        them.expect("shout", peer=ours.uuid, group="TALK", frames=FRAMES, by=link)
        ours.tell("leave", group="TALK")
        left = them.expect("leave", peer=ours.uuid, group="TALK", by=link)
        require(left["status"] == joined["status"] + 1, "status: %r" % left["status"])
        them.tell("leave", group="TALK")
        ours.expect("leave", peer=uuid, group="TALK")
        them.tell("ping")
        them.expect("ping-ok", peer=ours.uuid, by=link)
    with report.check(title + "large frames, both ways", both):
        large = "0123456789abcdef" * 65_536
        them.tell("whisper", peer=ours.uuid, frames=["x", large])
        ours.expect("whisper", peer=uuid, frames=["x", large])
        ours.tell("whisper", peer=uuid, frames=[large, "x"])
        them.expect("whisper", peer=ours.uuid, frames=[large, "x"])
        gaps = [event for event in them.pending if event["event"] in ("gap", "error")]
        require(not gaps, "in our messages: %r" % gaps[:1])
    if beat == "beat":
        _heartbeats(report, ours, them, title)
    ours.close()
    them.close()


def _heartbeats(report, ours, them, title):
    both = (ours, them)
    with report.check(title + "heartbeats hold the connection", both):
        them.nothing("cut", QUIET)
        them.tell("whisper", peer=ours.uuid, frames=["still there?"])
        ours.expect("whisper", peer=them.uuid, frames=["still there?"])
        ours.tell("whisper", peer=them.uuid, frames=["still here"])
        them.expect("whisper", peer=ours.uuid, frames=["still here"])
    with report.check(title + "without them, both would be cut", both):
        # Proves that the check before this one can fail.
        os.kill(ours.process.pid, signal.SIGSTOP)
        try:
            for side in ("mailbox", "inbox"):
                them.expect("cut", side=side)
        finally:
            os.kill(ours.process.pid, signal.SIGCONT)


def _options(directory):
    """No discovery but ours by hand: a beacon port of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return ("--interface", "lo", "--port", str(port), "--ipc", directory or "off")


def _path(directory, uuid):
    """Where a node with this UUID listens by ipc."""
    return os.path.join(directory, "01%s.sock" % uuid)
