"""pyre's interface: ``zre.pyre``, and the package that installs as ``pyre``."""

import json
import re
import subprocess
import sys
import threading
import time
import uuid

import pytest
import zre
import zre.pyre
from conftest import DEADLINE, PACKAGE


@pytest.fixture
def zmq():
    import zre.pyre.zhelper  # noqa: F401
    import zmq

    return zmq


def make(name, port, ctx=None):
    node = zre.pyre.Pyre(name, ctx=ctx)
    node.set_interface("lo")
    node.set_port(port)
    node.set_interval(100)
    return node


@pytest.fixture
def pair(port):
    one, other = make("one", port), make("other", port)
    one.set_header("X-TEST", "1")
    other.join("ROOM")
    one.start()
    other.start()
    deadline = time.monotonic() + DEADLINE
    # As with pyre, what is sent to a peer that isn't known yet is lost.
    while not (one.peers_by_group("ROOM") and other.peers()) and time.monotonic() < deadline:
        time.sleep(0.01)
    yield one, other
    one.stop()
    other.stop()


def test_events_are_frames(pair):
    one, other = pair
    kind, sender, name, headers, address = other.recv()
    assert (kind, sender, name) == (b"ENTER", one.uuid().bytes, b"one")
    assert json.loads(headers) == {"X-TEST": "1"} and address.decode() == one.endpoint()
    one.join("ROOM")
    assert other.recv() == [b"JOIN", one.uuid().bytes, b"one", b"ROOM"]
    one.whisper(other.uuid(), b"hi")
    one.whisper(other.uuid(), [b"a", b"b"])
    one.whispers(other.uuid(), "%d%s", 1, "x")
    one.whispers(other.uuid(), "100%")
    for content in ([b"hi"], [b"a", b"b"], [b"1x"], [b"100%"]):
        assert other.recv() == [b"WHISPER", one.uuid().bytes, b"one", *content]
    one.shout("ROOM", b"hi")
    one.shouts("ROOM", "hi")
    for _ in range(2):
        assert other.recv() == [b"SHOUT", one.uuid().bytes, b"one", b"ROOM", b"hi"]
    one.leave("ROOM")
    assert other.recv() == [b"LEAVE", one.uuid().bytes, b"one", b"ROOM"]
    one.stop()
    assert other.recv() == [b"EXIT", one.uuid().bytes, b"one"]
    other.stop()
    assert other.recv() == [b"STOP", other.uuid().bytes, b"other"]
    with pytest.raises(zre.StoppedError):
        other.recv()


def test_events_taken_apart(pair):
    one, other = pair
    event = zre.pyre.PyreEvent(other)
    assert (event.type, event.peer_uuid, event.peer_name) == ("ENTER", one.uuid(), "one")
    assert event.header("X-TEST") == "1" and event.header("none") is None
    assert event.peer_addr == one.endpoint() and event.peer_uuid_bytes == one.uuid().bytes
    assert str(event) == f"<zre.pyre ENTER from {one.uuid().hex}>"
    one.shout("ROOM", [b"a", b"b"])
    one.whisper(other.uuid(), b"c")
    events = other.events()
    event = next(events)
    assert (event.type, event.group, event.msg) == ("SHOUT", "ROOM", [b"a", b"b"])
    deadline = time.monotonic() + DEADLINE
    recent = []
    while not recent and time.monotonic() < deadline:
        recent = list(other.recent_events())
    assert [(event.type, event.msg) for event in recent] == [("WHISPER", [b"c"])]


def test_peers_are_known_by_their_uuids(pair):
    one, other = pair
    zre.pyre.PyreEvent(other)
    zre.pyre.PyreEvent(one)
    assert one.peers() == [other.uuid()] and isinstance(one.uuid(), uuid.UUID)
    assert one.peers_by_group("ROOM") == [other.uuid()] and one.peers_by_group("x") == []
    assert other.get_peer_name(one.uuid()) == "one"
    assert other.peer_address(one.uuid()) == one.endpoint()
    assert other.peer_header_value(one.uuid(), "X-TEST") == "1"
    assert other.peer_headers(one.uuid()) == {"X-TEST": "1"}
    assert one.peer_groups() == ["ROOM"] == other.own_groups()
    nobody = uuid.uuid4()
    one.whisper(nobody, b"lost")
    assert one.get_peer_name(nobody) == one.peer_address(nobody) == ""
    assert one.peer_header_value(nobody, "x") == "" and one.peer_headers(nobody) == {}


def test_before_the_start_settings_are_kept(port):
    node = make(None, port)
    assert node.name() == node.uuid().hex[:6] and node.peers() == [] and node.endpoint() == ""
    node.set_name("named")
    node.join("a")
    node.join("b")
    node.leave("a")
    node.whisper(node.uuid(), b"to nobody")
    node.shout("b", b"to nobody")
    assert node.own_groups() == ["b"]
    with pytest.raises(zre.StoppedError, match="call start"):
        node.recv()
    node.start()
    node.start()
    try:
        assert (node.name(), node.own_groups()) == ("named", ["b"])
        assert node._node.uuid == node.uuid() and node._node.name == "named"
    finally:
        node.stop()


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_the_socket_is_polled_with_others(zmq, port, early):
    with zmq.Context() as context:
        one, other = make("one", port, context), make("other", port, context)
        other.join("ROOM")
        if early:
            assert other.socket() is other.inbox
        one.start()
        other.start()
        pipe, far = zre.pyre.zhelper.zcreate_pipe(context)
        poller = zmq.Poller()
        poller.register(other.socket(), zmq.POLLIN)
        poller.register(pipe, zmq.POLLIN)
        assert other.socket().type == zmq.PAIR
        far.send(b"from the thread")
        wanted = {b"from the thread", "ENTER", "WHISPER", "SHOUT"}
        seen = []
        deadline = time.monotonic() + DEADLINE
        while not wanted <= set(seen) and time.monotonic() < deadline:
            ready = dict(poller.poll(100))
            if pipe in ready:
                seen.append(pipe.recv())
            if other.socket() in ready:
                seen.append(zre.pyre.PyreEvent(other).type)
            elif one.peers_by_group("ROOM"):
                one.whisper(other.uuid(), b"welcome")
                one.shout("ROOM", b"hello")
        assert wanted <= set(seen)
        one.stop()
        other.stop()
        while seen[-1] != "STOP":
            seen.append(zre.pyre.PyreEvent(other).type)
        for one_socket in (pipe, far, other.socket()):
            one_socket.close()


def test_a_program_that_never_reads_its_socket_can_stop(zmq, port):
    with zmq.Context() as context:
        one, other = make("one", port, context), make("other", port, context)
        other.socket()
        one.start()
        other.start()
        one.recv()
        for number in range(5000):
            one.whispers(other.uuid(), str(number))
        one.stop()
        other.stop()
        other.socket().close(linger=0)


def test_threads_have_a_pipe(zmq):
    with zmq.Context() as context:
        ended = threading.Event()

        def work(ctx, pipe, word):
            pipe.send(pipe.recv() + word)
            pipe.close()
            ended.set()

        pipe = zre.pyre.zhelper.zthread_fork(context, work, b"!")
        pipe.send(b"hi")
        assert pipe.recv() == b"hi!" and ended.wait(DEADLINE)
        pipe.close()


def test_without_pyzmq_only_the_socket_is_missing(port):
    code = """
import sys
sys.modules["zmq"] = None
import zre.pyre
node = zre.pyre.Pyre("n")
node.set_interface("lo")
node.set_port(int(sys.argv[1]))
node.start()
try:
    node.socket()
except ImportError as error:
    print(error)
node.stop()
print(node.recv()[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(port)], capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.stdout.splitlines() == [
        "Pyre.socket() is a socket of pyzmq: pip install pyzmq, or read by recv()",
        "b'STOP'",
    ], done.stderr


def test_the_module_pyre_is_the_same(zmq):
    import pyre
    import pyre.pyre_event
    from pyre import Pyre, PyreEvent, zhelper

    assert (Pyre, PyreEvent) == (zre.pyre.Pyre, zre.pyre.PyreEvent)
    assert zhelper.zthread_fork is pyre.zhelper.zthread_fork
    assert pyre.__version__ == zre.__version__ and pyre.pyre_event.PyreEvent is PyreEvent
    project = (PACKAGE / "pyre/pyproject.toml").read_text()
    assert set(re.findall(r'(?:^version = "|zre==)([0-9.]+)', project, re.M)) == {zre.__version__}
