"""As ``pyre.zhelper`` of pyre."""

from zre.pyre.zhelper import zcreate_pipe, zthread_fork  # noqa: F401
