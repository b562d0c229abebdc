"""Nodes without asyncio."""

import pickle
import threading
import time
import uuid

import pytest
import zre
from conftest import DEADLINE


def until(node, kind):
    """The next event of that kind."""
    while True:
        event = node.recv(DEADLINE)
        assert event is not None, f"the end before {kind}"
        if isinstance(event, kind):
            return event


@pytest.fixture
def pair(settings):
    with zre.blocking.Node("alice", header={"role": "lens"}, **settings) as alice:
        with zre.blocking.Node("bob", group="chat", **settings) as bob:
            alice.wait_for_peers(1, group="chat")
            bob.wait_for_peers(1)
            yield alice, bob


def test_they_meet_and_know_each_other(pair):
    alice, bob = pair
    enter = until(bob, zre.Enter)
    assert enter.kind == "enter"
    peer = enter.peer
    assert (peer.name, str(peer), peer.uuid) == ("alice", "alice", alice.uuid)
    assert peer.headers == {"role": "lens"} and peer.header("role") == "lens"
    assert peer.header("none") is None and peer.header("none", 7) == 7
    assert (peer.link, peer.state, peer.groups, peer.key) == ("inproc", "ready", [], None)
    assert peer.takes_requests and not peer.is_in("chat")
    assert peer == bob.peer("alice") == bob.peer(alice.uuid) and len({peer, bob.peers()[0]}) == 1
    assert (
        [p.name for p in alice.peers_in("chat")]
        == ["bob"]
        == [p.name for p in alice.available("chat")]
    )
    assert alice.peer_groups() == ["chat"] and bob.own_groups() == ["chat"]
    assert isinstance(alice.uuid, uuid.UUID) and alice.name == "alice"
    assert alice.endpoint.startswith("tcp://127.0.0.1:") and alice.listening
    assert alice.headers == {"role": "lens"}


@pytest.mark.parametrize(
    "content, frames",
    [
        (b"bytes", [b"bytes"]),
        ("text ü", ["text ü".encode()]),
        (bytearray(b"array"), [b"array"]),
        (memoryview(b"views")[1:], [b"iews"]),
        ([b"a", "b", bytearray(b"c")], [b"a", b"b", b"c"]),
        (("a", memoryview(b"b")), [b"a", b"b"]),
        (zre.Message("x", "y"), [b"x", b"y"]),
        (b"", [b""]),
        ([], []),
        (b"x" * (1 << 20), [b"x" * (1 << 20)]),
    ],
)
def test_messages_arrive_as_they_were_sent(pair, content, frames):
    alice, bob = pair
    alice.whisper("bob", content)
    event = until(bob, zre.Whisper)
    assert event.message.frames == frames and event.message == content
    assert [bytes(event.message.view(i)) for i in range(len(frames))] == frames
    assert alice.shout("chat", content) == (1, [], [])
    event = until(bob, zre.Shout)
    assert (event.peer.name, event.group, event.message) == ("alice", "chat", frames)


@pytest.mark.parametrize("content", [7, None, {"a": "b"}, [7], [["nested"]], object()])
def test_what_is_no_message_is_a_type_error(pair, content):
    with pytest.raises(TypeError, match="bytes, str, or a list"):
        pair[0].whisper("bob", content)


def test_views_share_the_bytes_and_keep_them(pair):
    alice, bob = pair
    alice.whisper("bob", b"z" * (8 << 20))
    event = until(bob, zre.Whisper)
    views = [event.message.view() for _ in range(3)]
    del event
    for view in views:
        assert view.readonly and view.nbytes == 8 << 20 and view[-1] == ord("z")
        with pytest.raises(TypeError):
            view[0] = 1


def test_sending_to_nobody_says_so(pair, settings):
    alice, bob = pair
    with pytest.raises(zre.UnknownPeerError, match="no peer carol is here") as caught:
        alice.whisper("carol", "hi")
    assert caught.value.code == "unknown_peer"
    assert isinstance(caught.value, (zre.SendError, zre.Error, LookupError))
    with pytest.raises(TypeError, match="zre.Peer, a uuid.UUID or a str"):
        alice.whisper(7, "hi")
    with zre.blocking.Node("bob", **settings):
        alice.wait_for_peers(2)
        with pytest.raises(zre.AmbiguousPeerError) as caught:
            alice.whisper("bob", "hi")
        assert caught.value.count == 2
    with pytest.raises(zre.TooLargeError) as caught:
        alice.whisper(bob.uuid, b"x" * (1 << 28))
    assert caught.value.size > caught.value.limit > 0
    with pytest.raises(zre.LimitError):
        alice.join("")


def test_requests_are_answered_dropped_or_late(pair):
    alice, bob = pair

    def answer():
        for event in bob.events():
            if isinstance(event, zre.Request):
                if event.message == "drop":
                    # Nothing else refers to it, and the next event comes at once.
                    alice.whisper("bob", "next")
                    continue
                if event.message == "decline":
                    event.responder.decline()
                    assert not event.responder.keep()
                    with pytest.raises(zre.UnknownRequestError):
                        bob.reply(event, "after all")
                    continue
                if event.message == "by number":
                    number = event.responder.id
                    assert event.responder.keep()
                    del event
                    bob.reply(number, "kept")
                    with pytest.raises(zre.UnknownRequestError):
                        bob.reply(number, "again")
                    continue
                bob.reply(event, event.message.text.upper())
                with pytest.raises(zre.AnsweredError):
                    bob.reply(event.responder, "again")

    thread = threading.Thread(target=answer)
    thread.start()
    assert alice.request("bob", "quiet").text == "QUIET"
    assert alice.request("bob", "by number").text == "kept"
    for how in ("drop", "decline"):
        with pytest.raises(zre.UnansweredError):
            alice.request("bob", how)
    assert 0 < alice.ping("bob") < DEADLINE
    bob.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    with pytest.raises((zre.GoneError, zre.UnknownPeerError)):
        alice.request("bob", "?")


def test_commands_change_the_node(pair):
    alice, bob = pair
    assert alice.join("room") and not alice.join("room")
    assert until(bob, zre.Join).group == "room"
    assert alice.leave("room") and not alice.leave("room")
    assert until(bob, zre.Leave).group == "room"
    alice.set_state("busy")
    state = until(bob, zre.State)
    assert (state.old, state.new, state.peer.state) == ("ready", "busy", "busy")
    alice.set_state("200")
    with pytest.raises(zre.StateError, match="use init, ready"):
        alice.set_state("7")
    with pytest.raises(zre.StateError):
        alice.set_state("tired")
    assert alice.set_name("alicia") and alice.name == "alicia"
    update = until(bob, zre.Update)
    assert (update.peer.name, update.old_name) == ("alicia", "alice")
    alice.set_header("role", "flash")
    assert until(bob, zre.Update).peer.header("role") == "flash"
    assert alice.remove_header("role") and alice.headers == {}
    assert bob.contest("chat") and not bob.contest("chat")
    assert bob.leader("chat") in (None, bob.uuid)
    alice.add_peer("tcp://127.0.0.1:1")
    alice.remove_peer("tcp://127.0.0.1:1")
    with pytest.raises(ValueError):
        alice.add_peer("nowhere")
    assert alice.stats()["peers"] == 1 and alice.silences() == {}


def test_waiting_ends_in_time(pair):
    alice, _ = pair
    started = time.monotonic()
    with pytest.raises(zre.ElapsedError):
        # What there is to tell of bob comes first.
        while True:
            alice.recv(0.1)
    with pytest.raises(TimeoutError, match="1 of 5 peers"):
        alice.wait_for_peers(5, timeout=0.1)
    assert 0.2 <= time.monotonic() - started < DEADLINE
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="isn't a time"):
            alice.recv(wrong)


def test_several_threads_read_and_each_event_has_one_reader(pair):
    alice, bob = pair
    seen, lock = [], threading.Lock()

    def read():
        for event in bob.events():
            if isinstance(event, zre.Whisper):
                with lock:
                    seen.append(event.message.text)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1000):
        alice.whisper("bob", str(number))
    alice.close()
    until_gone = time.monotonic() + DEADLINE
    while bob.peers() and time.monotonic() < until_gone:
        time.sleep(0.01)
    bob.close()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(seen, key=int) == [str(number) for number in range(1000)]


def test_events_end_with_the_node(pair):
    alice, bob = pair
    alice.whisper("bob", "last words")
    alice.close()
    assert until(bob, zre.Whisper).message == "last words"
    gone = until(bob, zre.Exit)
    assert (gone.peer.name, gone.reason, gone.unconfirmed) == ("alice", "goodbye", 0)
    bob.close()
    bob.close()
    assert bob.recv() is None and list(bob.events()) == []
    for call in (lambda: bob.join("x"), lambda: bob.whisper("alice", "x"), bob.stats):
        with pytest.raises(zre.StoppedError):
            call()


def test_a_full_queue_is_an_error_of_its_own(settings):
    with (
        zre.blocking.Node(
            "sender", send_policy="reject", link_limits={"queue_bytes_per_peer": "64K"}, **settings
        ) as sender,
        zre.blocking.Node("deaf", event_queue_bytes=1, **settings),
    ):
        sender.wait_for_peers(1)
        with pytest.raises(zre.FullError, match="reads more slowly"):
            for _ in range(10_000):
                sender.whisper("deaf", b"x" * 1000)
        assert not sender.try_whisper("deaf", b"x" * 60_000)
        sender.close(timeout=0)


def test_a_node_starts_once_and_not_at_all_with_nonsense(settings):
    node = zre.blocking.Node("n", **settings)
    assert "not started" in repr(node)
    with pytest.raises(zre.NotStartedError, match="call start"):
        node.whisper("x", "y")
    node.close()
    with node:
        with pytest.raises(zre.AlreadyStartedError):
            node.start()
    assert "closed" in repr(node)
    with pytest.raises(zre.StartError) as caught:
        zre.blocking.Node("n", expired=1, evasive=2, **settings).start()
    assert caught.value.reason == "patience"
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(node)
