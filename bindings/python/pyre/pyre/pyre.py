"""As ``pyre.pyre`` of pyre."""

from zre.pyre import Pyre, PyreEvent  # noqa: F401
