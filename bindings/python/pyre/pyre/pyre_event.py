"""As ``pyre.pyre_event`` of pyre."""

from zre.pyre import PyreEvent  # noqa: F401
