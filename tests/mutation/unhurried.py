"""Hypothesis for mutants: as the project's conftest sets it, and a failure is enough; nobody reads the smallest one."""

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
    """After the conftest, before the tests are imported."""
    settings.load_profile("mutants")
