"""One line for each check, and what went wrong beside it."""

import contextlib
import os
import time

from child import Missed


class SuiteFailed(Exception):
    """A check failed: what follows in its suite would only fail because of it."""


class Report:
    """Counts checks. A skipped suite counts as failed on CI."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    @contextlib.contextmanager
    def check(self, what, children=()):
        """Runs the body as one check; `children` tell their story if it fails."""
        begun = time.monotonic()
        note = []
        try:
            yield note.append
        except (Missed, AssertionError, OSError) as error:
            self.failed += 1
            print("FAILED  %s\n    %s" % (what, error), flush=True)
            for child in children:
                print(child.story(), flush=True)
            raise SuiteFailed(what) from error
        self.passed += 1
        extra = "".join(", " + text for text in note)
        print("ok      %s (%.1f s%s)" % (what, time.monotonic() - begun, extra), flush=True)

    @contextlib.contextmanager
    def suite(self, name):
        """Runs checks until one fails."""
        print("-- %s" % name, flush=True)
        with contextlib.suppress(SuiteFailed):
            yield

    def skip(self, what, why):
        """Says that something isn't run here, and why."""
        if os.environ.get("CI", "").lower() in ("true", "1"):
            self.failed += 1
            print("FAILED  %s: skipped on CI: %s" % (what, why), flush=True)
        else:
            self.skipped += 1
            print("SKIPPED %s: %s" % (what, why), flush=True)

    def pass_over(self, what, why):
        """Says that something isn't run, although nothing is missing on CI."""
        self.skipped += 1
        print("SKIPPED %s: %s" % (what, why), flush=True)

    def close(self):
        """The closing line. Returns the exit code."""
        tail = ", %d suites skipped" % self.skipped if self.skipped else ""
        print("%d passed, %d failed%s" % (self.passed, self.failed, tail), flush=True)
        return 1 if self.failed or not (self.passed or self.skipped) else 0


def require(condition, otherwise):
    """Like assert, and with `python -O` too."""
    if not condition:
        raise Missed(otherwise)
