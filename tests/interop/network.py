"""A small network of its own: a bridge and some hosts, each a network namespace.

Nothing that runs in it can reach the machine's own network: the hub and the
hosts have no link to anything but each other.
"""

import itertools
import os
import subprocess

_numbers = itertools.count()


def _ip(*arguments, check=True):
    return subprocess.run(
        ("ip",) + arguments, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def why_not():
    """Why there can be no namespaces here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = "zi%d-probe" % os.getpid()
    try:
        made = _ip("netns", "add", probe, check=False)
    except FileNotFoundError:
        return "the command `ip` (iproute2) is missing"
    if made.returncode != 0:
        return "no network namespace can be made: " + made.stderr.decode().strip()
    _ip("netns", "del", probe, check=False)
    return None


class Network:
    """`with Network(2) as net:` gives `net.hosts`, namespaces with one interface `eth0` each.

    Host n has the address 10.77.0.n (from 1) and the broadcast address 10.77.0.255.
    """

    def __init__(self, hosts):
        stem = "zi%d-%d" % (os.getpid(), next(_numbers))
        self.hub = stem + "-hub"
        self.hosts = ["%s-h%d" % (stem, number + 1) for number in range(hosts)]

    @staticmethod
    def address(number):
        """The address of host `number`, counted from 0."""
        return "10.77.0.%d" % (number + 1)

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        self._remove()

    def _build(self):
        _ip("netns", "add", self.hub)
        _ip("-n", self.hub, "link", "add", "br0", "type", "bridge")
        # Without this a bridge drops the groups that nobody has reported yet.
        _ip("-n", self.hub, "link", "set", "br0", "type", "bridge", "mcast_snooping", "0")
        _ip("-n", self.hub, "link", "set", "br0", "up")
        for number, host in enumerate(self.hosts):
            port = "p%d" % number
            _ip("netns", "add", host)
            _ip(
                *("-n", self.hub, "link", "add", port, "type", "veth"),
                *("peer", "name", "eth0", "netns", host)
            )
            _ip("-n", self.hub, "link", "set", port, "master", "br0", "up")
            _ip("-n", host, "link", "set", "lo", "up")
            _ip(
                *("-n", host, "addr", "add", self.address(number) + "/24"),
                *("broadcast", "10.77.0.255", "dev", "eth0")
            )
            _ip("-n", host, "link", "set", "eth0", "up")

    def _remove(self):
        for namespace in self.hosts + [self.hub]:
            _ip("netns", "del", namespace, check=False)
