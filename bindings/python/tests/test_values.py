"""Messages, peers, events, errors and settings: what needs no network."""

import ast
import copy
import datetime
import inspect
import pickle
import uuid

import pytest
import zre
from conftest import PACKAGE

PEER = zre.Peer.detached(
    "alice",
    uuid=uuid.UUID(int=7),
    headers={"role": "lens"},
    groups=["chat"],
    state="busy",
    endpoint="tcp://10.0.0.1:5000",
    link="ipc",
)
EVENTS = [
    zre.Enter(PEER),
    zre.Exit(PEER, "goodbye", 3),
    zre.Join(PEER, "chat"),
    zre.Leave(PEER, "chat"),
    zre.Whisper(PEER, zre.Message("hi")),
    zre.Shout(PEER, "chat", zre.Message("hi", b"\xff")),
    zre.Evasive(PEER),
    zre.Silent(PEER),
    zre.Responsive(PEER),
    zre.State(PEER, "ready", "busy"),
    zre.Update(PEER, "alicia"),
    zre.Leader("chat", uuid.UUID(int=9), None),
    zre.Undecided("chat", [PEER]),
    zre.Conflict(uuid.UUID(int=9)),
    zre.Unreachable(uuid.UUID(int=9), "tcp://10.0.0.1:5000", "refused"),
    zre.OneWay(uuid.UUID(int=9), "tcp://10.0.0.1:5000", "no greeting"),
    zre.Backpressure(PEER, True),
    zre.Discovery(True, "eth0", "10.0.0.1", "it is up"),
    zre.Failed("a bug"),
]


def test_every_kind_of_event_is_here():
    kinds = {one for one in vars(zre).values() if inspect.isclass(one) and one is not zre.Event}
    kinds = {one for one in kinds if issubclass(one, zre.Event)}
    assert kinds == {type(event) for event in EVENTS} | {zre.Request}
    # As the library names them.
    source = (PACKAGE.parents[1] / "crates/node/src/event.rs").read_text()
    words = source.split("pub fn kind(&self)")[1].split("pub fn peer")[0].split('"')[1::2]
    assert {one.kind for one in kinds} == set(words)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_events_are_values(event):
    fields = [getattr(event, name) for name in type(event).__match_args__]
    again = type(event)(*fields)
    assert event == again and not event != again
    assert isinstance(event, zre.Event) and type(event).__name__ in repr(event)
    for name, field in zip(type(event).__match_args__, fields):
        assert f"{name}={field!r}" in repr(event)
        with pytest.raises(AttributeError):
            setattr(event, name, field)
    assert event != EVENTS[EVENTS.index(event) - 1] and event != 7
    # A pickled peer is a description of it, and not the same session.
    for other in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert type(other) is type(event)
        for name, field in zip(type(event).__match_args__, fields):
            field_of_other = getattr(other, name)
            if isinstance(field, zre.Peer):
                assert_described(field_of_other)
            elif name != "missing":
                assert field_of_other == field


def assert_described(peer):
    names = ["uuid", "name", "headers", "groups", "state", "endpoint", "link", "key"]
    assert [getattr(peer, name) for name in names] == [getattr(PEER, name) for name in names]


def test_peers_pickle_as_descriptions():
    peer = pickle.loads(pickle.dumps(PEER))
    assert_described(peer)
    assert peer != PEER and hash(PEER) == hash(PEER)
    for wrong in ({"link": "pigeon"}, {"state": "tired"}, {"uuid": "x"}, {"endpoint": "?"}):
        with pytest.raises(ValueError):
            zre.Peer.detached("alice", **wrong)


def test_messages_are_sequences_of_bytes():
    message = zre.Message("a", b"bc", "ü")
    assert message.frames == list(message) == [b"a", b"bc", "ü".encode()]
    assert len(message) == 3 and message.nbytes == 5
    assert message[0] == message[-3] == b"a" and message[-1] == "ü".encode()
    for index in (3, -4):
        with pytest.raises(IndexError):
            message[index]
        with pytest.raises(IndexError):
            message.view(index)
    assert bytes(message) == "abcü".encode() and bytes(zre.Message()) == b""
    assert message.index(b"bc") == 1 and message.count(b"x") == 0 and b"a" in message
    assert message.text is None and zre.Message("ü").text == "ü"
    assert zre.Message(b"\xff").text is None and zre.Message().text is None
    assert message == ["a", "bc", "ü"] and message == zre.Message("a", "bc", "ü")
    assert message != "abcü" and message != 7 and zre.Message("a") == b"a"
    assert pickle.loads(pickle.dumps(message)) == message
    assert repr(message) == "Message(b'a', b'bc', b'\\xc3\\xbc')"
    assert len(repr(zre.Message(*[b"x" * 1000] * 1000))) < 500
    with pytest.raises(TypeError):
        hash(message)


def test_errors_say_what_they_are_and_pickle():
    error = zre.TooLargeError("too large", code="too_large", size=7, limit=5)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, again.size, again.limit) == ("too large", "too_large", 7, 5)
    assert issubclass(zre.ElapsedError, TimeoutError)
    assert issubclass(zre.SettingError, ValueError)


def setting(node, key):
    return node._native.setting(key)


@pytest.mark.parametrize(
    "key, value, text",
    [
        ("evasive", 2, ["2s"]),
        ("evasive", 2.5, ["2s500ms"]),
        ("evasive", "250ms", ["250ms"]),
        ("evasive", datetime.timedelta(minutes=1), ["1m"]),
        ("no_beacon", True, ["on"]),
        ("inproc", False, ["off"]),
        ("beacon_port", 7000, ["7000"]),
        ("group", "chat", ["chat"]),
        ("group", ["a", "b"], ["a", "b"]),
        ("group", ("a", "b"), ["a", "b"]),
        ("header", {"a": "b", "c": 7}, ["a=b", "c=7"]),
        ("uuid", uuid.UUID(int=7), ["00000000000000000000000000000007"]),
        ("event_queue_bytes", "16M", ["16M"]),
        ("event_queue_bytes", 1000, ["1000"]),
        ("evasive", None, ["5s"]),
        ("listen", 5000, ["5000"]),
        ("keys", PACKAGE / "keys", [str(PACKAGE / "keys")]),
    ],
)
def test_settings_take_values_of_python(key, value, text):
    assert setting(zre.blocking.Node(**{key: value}), key) == text


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"evasve": 5}, 'no setting "evasve"; did you mean "evasive"'),
        ({"evasive": "5"}, "write a time"),
        ({"evasive": [5]}, "takes one value"),
        ({"beacon_port": 0}, "beacon_port can't be"),
        ({"limits": {"peers": "many"}}, "limits can't be"),
        ({"evasive": -1}, "isn't a time"),
    ],
)
def test_settings_that_cannot_be_say_why(settings, said):
    with pytest.raises((zre.SettingError, TypeError, ValueError), match=said):
        zre.Node(**settings)


def test_limits_are_dictionaries():
    node = zre.blocking.Node(link_limits={"linger": "2s", "connections": 9})
    parts = setting(node, "link_limits")
    assert "linger=2s" in parts and "connections=9" in parts


def test_the_types_name_every_setting_and_no_other():
    tree = ast.parse((PACKAGE / "python/zre/_types.py").read_text())
    typed = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings")
    names = [one.target.id for one in typed.body if isinstance(one, ast.AnnAssign)]
    assert names == [one.key for one in zre.settings() if one.key != "name"]
    assert all(one.help and one.topic for one in zre.settings())


def test_both_kinds_of_nodes_have_the_same_calls():
    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(zre.Node) == public(zre.blocking.Node)
    for name in public(zre.Node):
        one, other = getattr(zre.Node, name), getattr(zre.blocking.Node, name)
        if callable(one) and name != "recv":
            assert list(inspect.signature(one).parameters) == list(
                inspect.signature(other).parameters
            ), name
        assert inspect.getdoc(one) and inspect.getdoc(other), name
