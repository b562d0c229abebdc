"""Nobody says anything for longer than anybody waits: presence alone keeps all of them."""

from report import require

# pyre and zyre.js both give a silent peer up after 30 s.
SILENCE = 35.0
# An answer that a busy machine keeps back for more than a second isn't noise;
# noise would be one for each of the impatient node's dozen questions.
HICCUPS = 2


def idle(report, stage, net, zyre=None):
    """Two of ours, pyre, zyre.js, and C Zyre if its program is named, each on a host of its own."""
    short = ("--evasive", "2s", "--expired", "6s")
    # In a crowd our nodes beacon once a minute: nobody needs more to keep one.
    rarely = ("--interval", "60s")
    everyone = [
        stage.ours("ours", *rarely, namespace=net.hosts[0]),
        stage.ours("impatient", *short, namespace=net.hosts[1]),
        stage.pyre("pyre", net.hosts[2]),
        stage.zyrejs("zyre.js", net.hosts[3]),
    ]
    if zyre:
        everyone.append(stage.lines("zyre", zyre, "zyre", net.hosts[4]))
    with report.check("%d on as many hosts see each other" % len(everyone), everyone):
        for one in everyone:
            for other in everyone:
                if one is not other:
                    one.expect("enter", peer=other.uuid)
    with report.check("%.0f s of silence, and nobody is missed" % SILENCE, everyone):
        everyone[0].nothing("exit", SILENCE)
        for child in everyone:
            require(child.alive(), "%s has ended" % child.label)
            # C Zyre calls a peer evasive each time that it asks it for an answer.
            if child.label == "zyre":
                child.drop("evasive")
            for kind, allowed in (("exit", 0), ("expired", 0), ("silent", 0), ("evasive", HICCUPS)):
                for peer in everyone:
                    wanted = (kind, peer.uuid)
                    seen = [e for e in child.pending if (e["event"], e.get("peer")) == wanted]
                    require(
                        len(seen) <= allowed,
                        "%s saw %s %s, %d times" % (child.name, peer.name, kind, len(seen)),
                    )
    with report.check("a shout still reaches all", everyone):
        for child in everyone:
            child.tell("join", group="ALL")
        for one in everyone:
            for other in everyone:
                if one is not other:
                    one.expect("join", peer=other.uuid, group="ALL")
        for one in everyone:
            one.tell("shout", group="ALL", frames=["from " + one.name])
            for other in everyone:
                if one is not other:
                    other.expect("shout", peer=one.uuid, frames=["from " + one.name])
