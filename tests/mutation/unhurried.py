"""Hypothesis profile for mutants: the conftest's settings without shrinking, since any failure kills a mutant."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def pytest_sessionstart() -> None:
    """Load the profile after the conftest and before the tests are imported."""
    settings.load_profile("mutants")
