"""What tests of programs and extensions that use piecework need. Nothing here depends on a test framework."""

from piecework.testing.caches import CACHE_CHECKS, CacheCheck, OpenCache, check_cache
from piecework.testing.clock import VirtualClock
from piecework.testing.crashing import CrashingStore, StoreCrashError
from piecework.testing.durability import DURABILITY_CHECKS, check_durability
from piecework.testing.storage import STORE_CHECKS, ConformanceError, OpenStore, StoreCheck, check_store

__all__ = (
    "CACHE_CHECKS",
    "DURABILITY_CHECKS",
    "STORE_CHECKS",
    "CacheCheck",
    "ConformanceError",
    "CrashingStore",
    "OpenCache",
    "OpenStore",
    "StoreCheck",
    "StoreCrashError",
    "VirtualClock",
    "check_cache",
    "check_durability",
    "check_store",
)
