"""czmq's zgossip and ours, each in either role, on loopback."""

import ctypes.util
import socket

from report import require


def why_not():
    """Why czmq can't be run here, or None."""
    if ctypes.util.find_library("czmq") is None:
        return "the library libczmq (package libczmq-dev) is missing"
    return None


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _met(one, other):
    event = one.expect("enter", peer=other.uuid)
    require("gossip" in event["via"], "via %r" % event["via"])


def gossip(report, stage):
    """Everything zgossip does."""
    _theirs_listens(report, stage)
    _ours_listens(report, stage)


def _theirs_listens(report, stage):
    hub = stage.czmq("hub")
    hub.tell("bind", endpoint="tcp://127.0.0.1:*")
    endpoint = "tcp://127.0.0.1:%d" % hub.expect("bound")["port"]
    one = stage.ours("one", "--no-beacon", "--gossip-connect", endpoint)
    two = stage.ours("two", "--no-beacon", "--gossip-connect", endpoint)
    with report.check("czmq listens: it knows both of ours, and they meet", (hub, one, two)):
        for node in (one, two):
            hub.expect("tuple", key=node.uuid.upper(), value=node.endpoint)
        _met(one, two)
        _met(two, one)
    with report.check("what czmq publishes is dialled", (hub, one)):
        third = stage.ours("third", "--no-beacon")
        hub.tell("publish", key=third.uuid.upper(), value=third.endpoint)
        _met(one, third)
        one.tell("whisper", peer=third.uuid, frames=["found you"])
        third.expect("whisper", peer=one.uuid, frames=["found you"])
    with report.check("the hub ends: the sessions stay", (one, two)):
        hub.stop()
        one.tell("whisper", peer=two.uuid, frames=["still there?"])
        two.expect("whisper", peer=one.uuid, frames=["still there?"])
    for child in (one, two, third):
        child.close()


def _ours_listens(report, stage):
    endpoint = "tcp://127.0.0.1:%d" % _free_port()
    # czmq dials before we listen.
    early = stage.czmq("early")
    early.tell("publish", key="before", value="there was a hub")
    early.tell("connect", endpoint=endpoint)
    hub = stage.ours("hub", "--no-beacon", "--gossip-bind", endpoint)
    late = stage.czmq("late")
    late.tell("connect", endpoint=endpoint)
    with report.check("ours listens: both of czmq's know us and each other", (hub, early, late)):
        for them in (early, late):
            them.expect("tuple", key=hub.uuid.upper(), value=hub.endpoint)
        late.expect("tuple", key="before", value="there was a hub")
        late.tell("publish", key="after", value="news")
        early.expect("tuple", key="after", value="news")
    with report.check("a changed tuple is passed on", (hub, early, late)):
        # One key changes once a second at the most.
        early.forget()
        early.nothing("tuple", 1.5)
        late.tell("publish", key="after", value="other news")
        early.expect("tuple", key="after", value="other news")
    for child in (hub, early, late):
        child.close()
