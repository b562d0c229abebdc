"""The programs in Python of the documents, run as they stand."""

import os
import signal
import subprocess

import pytest
import zre
from conftest import DEADLINE, REPOSITORY

DOCUMENTS = ["README.md", "docs/guide.md", "bindings/python/README.md"]


#: Programs meet nobody else of this host.
APART = """
import zre
for kind in zre.Node, zre.blocking.Node:
    def init(self, name=None, *, init=kind.__init__, **settings):
        init(self, name, **{{"interface": "lo", "beacon_port": {port}, **settings}})
    kind.__init__ = init
"""


def blocks():
    for name in DOCUMENTS:
        text = (REPOSITORY / name).read_text()
        for number, part in enumerate(text.split("```python\n")[1:], 1):
            yield pytest.param(part.split("\n```")[0] + "\n", id=f"{name}-{number}")


def test_there_are_some():
    assert len(list(blocks())) >= 6


@pytest.mark.skipif(os.name != "posix", reason="interrupts them")
@pytest.mark.parametrize("program", list(blocks()))
def test_each_runs(python, port, program):
    process = python(APART.format(port=port) + program)
    with zre.blocking.Node("visitor", interface="lo", beacon_port=port) as node:
        try:
            peers = node.wait_for_peers(1, timeout=DEADLINE if "Node(" in program else 0)
        except zre.ElapsedError:
            peers = []
        node.join("chat")
        for peer in peers:
            for message in ("7", "hello", b"\xff", ["two", "frames"]):
                try:
                    node.whisper(peer, message)
                    for group in peer.groups:
                        node.shout(group, message)
                except zre.SendError:
                    # It has ended by itself.
                    break
            try:
                node.request(peer, "?", timeout=0.2)
            except zre.Error:
                pass
    try:
        out, err = process.communicate(timeout=1)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
        assert err.rstrip().endswith("KeyboardInterrupt"), (out, err)
        assert out
    else:
        assert (process.returncode, err) == (0, ""), (out, err)
