"""Named limits that nodes and runs of one process share: how many calls at once, how many a minute.

Users declare them, the door takes a share of each for an attempt. They hold over several event loops and threads.
"""

from __future__ import annotations

from piecework.core.quota.concurrency import Limit, private_limit
from piecework.core.quota.rate import RateLimit
from piecework.core.quota.share import AnyLimit, Ending, Share

__all__ = ("AnyLimit", "Ending", "Limit", "RateLimit", "Share", "private_limit")
