"""What tests of programs and extensions that use piecework need. Nothing here depends on a test framework."""

from piecework.testing.crashing import CrashingStore, StoreCrashError
from piecework.testing.durability import DURABILITY_CHECKS, check_durability
from piecework.testing.storage import STORE_CHECKS, ConformanceError, check_store

__all__ = (
    "DURABILITY_CHECKS",
    "STORE_CHECKS",
    "ConformanceError",
    "CrashingStore",
    "StoreCrashError",
    "check_durability",
    "check_store",
)
