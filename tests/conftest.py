"""What all tests share: the hypothesis profiles.

PIECEWORK_TEST_PROFILE picks one: `dev` (the default), `ci` (bounded and the same every time; the
default where CI is set) or `full` (as many examples as patience allows).
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "full",
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def _profile() -> str:
    in_ci = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
    return os.environ.get("PIECEWORK_TEST_PROFILE") or ("ci" if in_ci else "dev")


settings.load_profile(_profile())
