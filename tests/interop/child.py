"""A child process that speaks JSON lines: commands on its stdin, events on its stdout.

`zre node --json` speaks this way, and so do the peers in `peers/`, so that one
conversation can be held with any of them.
"""

import collections
import contextlib
import json
import os
import subprocess
import threading
import time

# Generous: it only passes in full when something is broken.
DEADLINE = 30.0


class Missed(Exception):
    """An event that was waited for did not come, or came with wrong content."""


class Child:
    """One process. Events that nobody has asked for yet stay in `pending`, in order."""

    def __init__(self, label, command, env=None):
        self.label = label
        self.pending = collections.deque()
        self.seen = collections.deque(maxlen=40)
        self.errors = collections.deque(maxlen=40)
        self.closed = False
        self.tap = None
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
        )
        self._readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.about = None
        self.uuid = None
        self.name = None
        self.endpoint = None

    def started(self):
        """Waits until the program runs, and remembers who it is."""
        event = self.expect("started")
        self.about = event
        self.uuid = event["uuid"]
        self.name = event.get("name")
        self.endpoint = event.get("endpoint")
        return self

    def _read_events(self):
        for line in self.process.stdout:
            at = time.monotonic()
            try:
                event = json.loads(line)
            except ValueError:
                self.errors.append("not JSON: %r" % line[:200])
                continue
            event["at"] = at
            with self._changed:
                self.seen.append(event)
                tap = self.tap
                if tap is None or not tap(event):
                    self.pending.append(event)
                self._changed.notify_all()
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace").rstrip())

    def tell(self, cmd, **fields):
        """Sends one command."""
        self.tell_all([dict(cmd=cmd, **fields)])

    def tell_all(self, commands):
        """Sends commands in one write."""
        text = "".join(json.dumps(command) + "\n" for command in commands)
        with self._writing:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()

    def set_tap(self, tap):
        """`tap(event)` is called for each event; what it returns true for isn't queued."""
        with self._changed:
            self.tap = tap

    def wait(self, condition, what, deadline=DEADLINE):
        """Waits until `condition()` holds; it is tried after each event."""
        until = time.monotonic() + deadline
        with self._changed:
            while True:
                result = condition()
                if result:
                    return result
                left = until - time.monotonic()
                if left <= 0:
                    raise Missed("%s: no %s within %g s" % (self.label, what, deadline))
                if self.closed:
                    raise Missed("%s ended while %s was awaited" % (self.label, what))
                self._changed.wait(left)

    def expect(self, kind, deadline=DEADLINE, **fields):
        """Takes the first pending event of this kind whose fields are as given.

        A field may be given as a function that judges the value.
        """

        def take():
            for index, event in enumerate(self.pending):
                if event.get("event") == kind and _agrees(event, fields):
                    del self.pending[index]
                    return event
            return None

        shown = {key: value for key, value in fields.items() if not callable(value)}
        return self.wait(take, "'%s' %s" % (kind, shown), deadline)

    def nothing(self, kind, seconds):
        """Watches for `seconds` that no event of this kind comes."""
        with contextlib.suppress(Missed):
            event = self.expect(kind, seconds)
            raise AssertionError("%s: unexpected %s" % (self.label, json.dumps(event)))
        if self.closed:
            raise Missed("%s has ended" % self.label)

    def drop(self, kind):
        """Drops what is pending of this kind."""
        with self._changed:
            self.pending = collections.deque(e for e in self.pending if e["event"] != kind)

    def forget(self):
        """Drops what is pending."""
        with self._changed:
            self.pending.clear()

    def alive(self):
        """Whether the process still runs."""
        return self.process.poll() is None

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks the program to end, and waits until it has. Returns its exit code."""
        self.tell("stop")
        return self.ended()

    def ended(self, deadline=DEADLINE):
        """Waits for the end of the process."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise Missed("%s did not end within %g s" % (self.label, deadline)) from None

    def close(self):
        """Ends the process in whatever way is left. Never fails."""
        if self.alive():
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass

    def story(self):
        """The last events and complaints, for a report of what went wrong."""
        with self._changed:
            lines = ["    %s %s" % (self.label, json.dumps(event)[:300]) for event in self.seen]
        lines += ["    %s! %s" % (self.label, line[:300]) for line in self.errors]
        return "\n".join(lines)


def _agrees(event, fields):
    for key, wanted in fields.items():
        value = event.get(key)
        if not (wanted(value) if callable(wanted) else value == wanted):
            return False
    return True


def in_namespace(namespace, command):
    """The command that runs `command` inside a network namespace."""
    return ["ip", "netns", "exec", namespace] + list(command)


def environment(loopback_only):
    """The environment of a child: on loopback unless it runs in a namespace of ours."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ZRE_")}
    if loopback_only:
        env["ZRE_INTERFACE"] = "lo"
    return env
