"""Who plays: starts our node and the foreign ones, and ends all of them afterwards."""

import contextlib
import pathlib
import subprocess
import sys

from child import Child, environment, in_namespace

PEERS = pathlib.Path(__file__).resolve().parent / "peers"


class Stage(contextlib.ExitStack):
    """`with Stage(tools) as stage:`; every child started on it ends with it."""

    def __init__(self, zre=None, python=None, modules=None, echo=None, engine=None):
        super().__init__()
        self.zre = zre
        self.engine = engine
        self.echo = echo
        self.python = python
        self.modules = modules

    def _start(self, label, command, namespace=None, **extra):
        if namespace:
            command = in_namespace(namespace, command)
        env = environment(loopback_only=namespace is None)
        env.update(extra)
        child = Child(label, command, env)
        self.callback(child.close)
        return child.started()

    def ours(self, name, *options, namespace=None):
        """Our node; a header X-SIDE=ours, and a member of OURS."""
        command = [self.zre, "node", "--json", "--name", name]
        command += ["--header", "X-SIDE=ours", "--group", "OURS", *options]
        if self.engine:
            command += ["--engine", self.engine]
        return self._start("zre", command, namespace)

    def pyre(self, name, namespace):
        """A pyre node; a header X-SIDE=pyre, and a member of THEIRS."""
        command = [self.python, PEERS / "pyre_peer.py", name]
        command += ["--header", "X-SIDE=pyre", "--group", "THEIRS"]
        return self._start("pyre", [str(word) for word in command], namespace)

    def zyrejs(self, name, namespace):
        """A zyre.js node; a header X-SIDE=zyre.js, and a member of THEIRS."""
        command = ["node", str(PEERS / "zyrejs_peer.js"), name]
        command += ["--header", "X-SIDE=zyre.js", "--group", "THEIRS"]
        return self._start("zyre.js", command, namespace, NODE_PATH=self.modules)

    def lines(self, label, program, name, namespace):
        """A node behind lines_peer.py; a header X-SIDE, and a member of THEIRS."""
        command = [sys.executable, str(PEERS / "lines_peer.py"), program, name]
        return self._start(label, command + ["X-SIDE=" + label, "THEIRS"], namespace)

    def libzmq(self, beat, name, uuid, endpoint, *paths, key=None):
        """A peer by hand on libzmq's sockets, on loopback; under CURVE with the node's key."""
        command = [self.python, str(PEERS / "libzmq_peer.py"), beat, name, uuid, endpoint]
        command += paths
        extra = {"ZRE_NODE_KEY": key} if key else {}
        return self._start("libzmq", command, **extra)

    def keygen(self, path):
        """Makes keys at that path; returns the public one."""
        made = subprocess.run(
            [self.zre, "keygen", path], check=True, capture_output=True, text=True
        )
        return made.stdout.strip()

    def session_echo(self, engine, directory, *mechanism):
        """Our sessions without a node; sends back what it receives."""
        return self._start("session", [self.echo, engine, directory, *mechanism])

    def libzmq_echo(self, target, own, beat, *key):
        """libzmq's sockets, for `session_echo`; with its key, under CURVE."""
        command = [self.python, str(PEERS / "libzmq_echo.py"), target, own, beat, *key]
        return self._start("libzmq", command)

    def czmq(self, name):
        """czmq's zgossip, on loopback."""
        command = [sys.executable, str(PEERS / "czmq_gossip.py"), name]
        return self._start("czmq", command)

    def listener(self, port, interface, *addresses, namespace):
        """Hears every beacon sent to `addresses`."""
        command = [self.python, str(PEERS / "beacon_listener.py"), str(port), interface]
        return self._start("listener", command + list(addresses), namespace)
