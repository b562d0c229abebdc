"""Long streams of numbered whispers, past the wrap of the sequence number."""

import itertools

from report import require

COUNT = 70_000
# pyre gives a peer up when 3000 messages wait for it, so it sends no faster
# than it is heard.
WINDOW = 500
# A window of seventy thousand takes its time on a slow machine.
PATIENCE = 120.0


class Stream:
    """Numbers whispered by `sender`, counted where they arrive."""

    def __init__(self, sender, receiver):
        self.sender = sender
        self.receiver = receiver
        self.next = 0
        self.torn = []
        receiver.set_tap(self._count)

    def _count(self, event):
        if event["event"] != "whisper" or event["peer"] != self.sender.uuid:
            return False
        number = int(event["frames"][0])
        if number != self.next:
            self.torn.append("%d came where %d was due" % (number, self.next))
        self.next = number + 1
        return True

    def _broken(self):
        return any(event["event"] == "exit" for event in self.receiver.pending)

    def run(self, count=COUNT):
        """Sends `count` numbers; stops early when the receiver drops the sender.

        Returns how many arrived.
        """
        sent = 0
        while sent < count and not self._broken():
            numbers = range(sent, min(sent + WINDOW, count))
            self.sender.tell_all(
                dict(cmd="whisper", peer=self.receiver.uuid, frames=[str(number)])
                for number in numbers
            )
            sent = numbers.stop
            self.receiver.wait(
                lambda: self.next == sent or self._broken(),
                "whisper number %d (%d arrived)" % (sent, self.next),
                PATIENCE,
            )
        self.receiver.set_tap(None)
        require(not self.torn, "; ".join(itertools.islice(self.torn, 3)))
        return self.next


def soak(report, ours, them):
    """`COUNT` whispers each way. The two must have met."""
    both = (ours, them)
    title = "%s and %s: " % (ours.label, them.label)
    with report.check(title + "%d whispers to us, one session" % COUNT, both):
        arrived = Stream(them, ours).run()
        require(arrived == COUNT, "%d arrived" % arrived)
        require(ours.alive() and them.alive(), "one of the two has ended")

    # It expects 0 after 65534, where RFC 36 and C Zyre say 65535: our node can
    # only learn that by being dropped, and must have learned it then.
    with report.check(title + "%d whispers to them, dropped once at most" % COUNT, both) as note:
        arrived = Stream(ours, them).run()
        if arrived == COUNT:
            note("never dropped")
        else:
            require(65_000 < arrived < 65_536, "dropped after %d" % arrived)
            note("dropped once, after %d" % arrived)
            them.expect("exit", peer=ours.uuid)
            ours.expect("exit", peer=them.uuid)
            them.expect("enter", peer=ours.uuid)
            ours.expect("enter", peer=them.uuid)
            # The rest of the window may have gone into the new session.
            ours.tell("whisper", peer=them.uuid, frames=["again"])
            them.expect("whisper", frames=["again"])
            arrived = Stream(ours, them).run()
            require(arrived == COUNT, "%d arrived in the next session" % arrived)
        for child in both:
            require(
                not any(event["event"] == "exit" for event in child.pending),
                "%s saw another exit" % child.label,
            )
