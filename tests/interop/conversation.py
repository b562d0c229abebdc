"""A conversation between our node and one of another implementation.

`ours` speaks as `zre node --json` does; `them` as the peers in `peers/` do.
"""

import time

from report import require

# A frame that isn't UTF-8, one that isn't ASCII, an empty one.
FRAMES = ["one", {"base64": "/wD+"}, "drei: ä", ""]


class Manner:
    """How a foreign implementation differs where the others are alike."""

    def __init__(
        self, frames_sent=None, frames_delivered=None, reasons=("goodbye",), codes=(0,)
    ):
        self.frames_sent = frames_sent
        self.frames_delivered = frames_delivered
        # What we may call its going in good order: "goodbye" where its last
        # beacon comes before the end of its connections.
        self.reasons = reasons
        # How its process may end.
        self.codes = codes


def meet(report, ours, them, header):
    """Both enter, with name and headers, and the groups of before are known.

    Returns when ours saw them enter.
    """
    both = (ours, them)
    title = "%s and %s: " % (ours.label, them.label)
    with report.check(title + "enter, both ways, with headers", both):
        seen = ours.expect("enter", peer=them.uuid)
        met = seen["at"]
        require(seen["name"] == them.name, "name seen: %r" % seen["name"])
        require(
            seen["headers"].get(header[0]) == header[1], "headers seen: %r" % seen["headers"]
        )
        require(seen.get("link", "tcp") == "tcp", "link: %r" % seen.get("link"))
        seen = them.expect("enter", peer=ours.uuid)
        require(seen["name"] == ours.name, "name seen: %r" % seen["name"])
        require(seen["headers"].get("X-SIDE") == "ours", "headers seen: %r" % seen["headers"])
    with report.check(title + "groups joined before the start", both):
        ours.expect("join", peer=them.uuid, group="THEIRS")
        them.expect("join", peer=ours.uuid, group="OURS")
    return met


def converse(report, ours, them, manner):
    """Join, whisper, shout and leave, both ways."""
    both = (ours, them)
    title = "%s and %s: " % (ours.label, them.label)
    sent = FRAMES[: manner.frames_sent]
    delivered = FRAMES[: manner.frames_delivered]

    with report.check(title + "join, both ways", both):
        ours.tell("join", group="TALK")
        them.expect("join", peer=ours.uuid, group="TALK")
        them.tell("join", group="TALK")
        ours.expect("join", peer=them.uuid, group="TALK")

    with report.check(title + "whisper to us, %d frames" % len(sent), both):
        them.tell("whisper", peer=ours.uuid, frames=sent)
        ours.expect("whisper", peer=them.uuid, frames=sent)
    with report.check(title + "whisper to them, %d frames" % len(FRAMES), both):
        ours.tell("whisper", peer=them.uuid, frames=FRAMES)
        them.expect("whisper", peer=ours.uuid, frames=delivered)
    with report.check(title + "shout to us, %d frames" % len(sent), both):
        them.tell("shout", group="TALK", frames=sent)
        ours.expect("shout", peer=them.uuid, group="TALK", frames=sent)
    with report.check(title + "shout to them, %d frames" % len(FRAMES), both):
        ours.tell("shout", group="TALK", frames=FRAMES)
        them.expect("shout", peer=ours.uuid, group="TALK", frames=delivered)

    with report.check(title + "leave, both ways; no shout after it", both):
        ours.tell("leave", group="TALK")
        them.expect("leave", peer=ours.uuid, group="TALK")
        them.tell("shout", group="TALK", frames=["nobody hears this"])
        them.tell("whisper", peer=ours.uuid, frames=["after the shout"])
        ours.expect("whisper", peer=them.uuid, frames=["after the shout"])
        require(
            not any(event["event"] == "shout" for event in ours.pending),
            "a shout into a group that we had left came through",
        )
        them.tell("leave", group="TALK")
        ours.expect("leave", peer=them.uuid, group="TALK")
        ours.tell("shout", group="TALK", frames=["nobody hears this"])
        ours.tell("whisper", peer=them.uuid, frames=["after the shout"])
        them.expect("whisper", peer=ours.uuid, frames=["after the shout"])
        require(
            not any(event["event"] == "shout" for event in them.pending),
            "a shout into a group that they had left came through",
        )
    with report.check(title + "nobody left meanwhile", both):
        for child in both:
            require(child.alive(), "%s has ended" % child.label)
            require(
                not any(event["event"] == "exit" for event in child.pending),
                "%s saw an exit" % child.label,
            )


# A goodbye without a port that comes sooner than a second after the greeting
# may be a late one of the peer's life before: then only the connection's end
# counts.
SETTLED = 1.2


def they_stop(report, ours, them, manner, met):
    """The peer stops in good order; `met` is when it entered."""
    time.sleep(max(0.0, met + SETTLED - time.monotonic()))
    with report.check(
        "%s and %s: they stop, exit here" % (ours.label, them.label), (ours, them)
    ) as note:
        code = them.stop()
        require(code in manner.codes, "%s ended with %r" % (them.label, code))
        event = ours.expect("exit", peer=them.uuid)
        require(event["reason"] in manner.reasons, "reason: %r" % event["reason"])
        note("reason %s" % event["reason"])
        if code != 0:
            note("its process ended with %d" % code)


def they_die(report, ours, them, meeting):
    """The peer's process is killed; `meeting` waits until both know each other."""
    meeting()
    with report.check(
        "%s and %s: they are killed, exit within a second" % (ours.label, them.label),
        (ours, them),
    ) as note:
        killed = time.monotonic()
        them.kill()
        event = ours.expect("exit", peer=them.uuid)
        require(event["reason"] == "disconnected", "reason: %r" % event["reason"])
        took = event["at"] - killed
        require(took < 1.0, "it took %.2f s" % took)
        note("%.0f ms" % (took * 1000))


def we_stop(report, ours, them, meeting):
    """Our node stops; what it had queued comes first."""
    meeting()
    with report.check(
        "%s and %s: we stop, exit there" % (ours.label, them.label), (ours, them)
    ) as note:
        asked = time.monotonic()
        ours.tell("whisper", peer=them.uuid, frames=["the last word"])
        require(ours.stop() == 0, "zre ended with %r" % ours.process.returncode)
        whisper = them.expect("whisper", peer=ours.uuid, frames=["the last word"])
        event = them.expect("exit", peer=ours.uuid)
        require(whisper["at"] <= event["at"], "the exit came before the last word")
        took = event["at"] - asked
        require(took < 5.0, "it took %.2f s" % took)
        note("%.0f ms" % (took * 1000))
