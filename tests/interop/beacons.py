"""pyre beside nodes that multicast: it dies of a ZRE datagram that isn't 22 bytes long."""

from report import require

GROUP = "239.77.0.70"
BEACONS = 20


def beside_pyre(report, stage, net):
    """Two of our nodes on pyre's own host and two on another, with the groups that
    nodes have by themselves and with one that the listener knows."""
    here, there = net.hosts
    them = stage.pyre("theirs", here)
    options = ("--interval", "100ms")
    grouped = options + ("--multicast", GROUP)
    nodes = [
        stage.ours("beside", *options, namespace=here),
        stage.ours("elsewhere", *options, namespace=there),
    ]
    in_group = [
        stage.ours("besides", *grouped, namespace=here),
        stage.ours("afar", *grouped, namespace=there),
    ]
    nodes += in_group
    broadcast = "10.77.0.255"
    listener = stage.listener(5670, net.address(0), GROUP, broadcast, namespace=here)
    everyone = (them, *nodes)

    with report.check("all five see each other", everyone):
        for one in everyone:
            for other in everyone:
                if one is not other:
                    one.expect("enter", peer=other.uuid)
    with report.check("state form to the group, classic form to broadcast", (listener,)):
        for node in nodes:
            for _ in range(BEACONS):
                if node in in_group:
                    listener.expect("datagram", to=GROUP, bytes=_of(node, 23))
                listener.expect("datagram", to=broadcast, bytes=_of(node, 22))
        strange = [
            event for event in listener.pending if event["to"] == broadcast
            and len(event["bytes"]) != 2 * 22
        ]
        require(not strange, "to broadcast: %r" % strange[:1])
    with report.check("pyre lives: its process, its two threads, its ears", everyone):
        require(them.alive(), "pyre's process has ended")
        them.tell("alive")
        threads = them.expect("alive")["threads"]
        require(threads == 2, "%d of pyre's 2 threads live" % threads)
        for node in nodes:
            node.tell("whisper", peer=them.uuid, frames=["still there?"])
            them.expect("whisper", peer=node.uuid, frames=["still there?"])
            them.tell("whisper", peer=node.uuid, frames=["still here"])
            node.expect("whisper", peer=them.uuid, frames=["still here"])
            require(
                not any(event["event"] == "exit" for event in node.pending),
                "%s saw an exit" % node.name,
            )


def _of(node, size):
    """Judges a datagram: from `node`, and `size` bytes long."""
    return lambda text: len(text) == 2 * size and text[8:40] == node.uuid
