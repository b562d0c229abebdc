"""The module ``pyre``, on zre."""

from zre.pyre import Pyre, PyreEvent

from . import zhelper

__all__ = ["Pyre", "PyreEvent", "zhelper"]
__version_info__ = Pyre.version()
__version__ = ".".join(map(str, __version_info__))
