"""The alert rules, the board and the page of metrics: valid, complete, and about metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.metrics.prometheus import run_promtool
from wallet_rpc.metrics import catalogue

SPECS = Path(__file__).parents[2] / "specs"
DEPLOY = SPECS / "deploy"
RULES = [rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
NAMES = {definition.name for definition in catalogue.ALL} | set(catalogue.PROCESS_METRICS)
SHARED = {definition.name for definition in catalogue.ALL if definition.is_shared}
_METRIC = re.compile(r"\b((?:wallet_rpc|process)_[a-z_]+?)(?:_bucket|_count|_sum)?\b")
_GROUPING = re.compile(r"\b(?:by|without) *\([^)]*\)")


def board_queries() -> list[str]:
    """Return the queries of the board."""
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


QUERIES = [*board_queries(), *(rule["expr"] for rule in RULES)]


def test_the_rules_are_valid() -> None:
    checked = run_promtool("check", "rules", DEPLOY / "alerts.yaml")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout


def test_the_configuration_on_the_page_is_valid_and_names_the_job_of_the_rules(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (SPECS / "metrics.md").read_text(), re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(block)
    shutil.copy(DEPLOY / "alerts.yaml", tmp_path)

    checked = run_promtool("check", "config", tmp_path / "prometheus.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    jobs = {job for rule in RULES for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert jobs == {each["job_name"] for each in yaml.safe_load(block)["scrape_configs"]}


def test_the_unit_tests_of_the_rules_pass() -> None:
    tested = run_promtool("test", "rules", DEPLOY / "alerts_test.yaml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_has_unit_tests_in_which_it_fires_and_does_not() -> None:
    tests = yaml.safe_load((DEPLOY / "alerts_test.yaml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    fires = {check["alertname"] for check in checks if check["exp_alerts"]}
    is_quiet = {check["alertname"] for check in checks if not check["exp_alerts"]}

    assert fires == is_quiet == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_says_what_happened_and_names_its_section(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"specs/operations.md#{rule['alert'].lower()}"


def test_each_alert_has_its_section_in_the_runbook() -> None:
    titles = re.findall(r"^#+ (WalletRpc\w+)$", (SPECS / "operations.md").read_text(), re.MULTILINE)

    assert sorted(titles) == sorted(rule["alert"] for rule in RULES)


def test_every_metric_of_the_rules_and_the_board_exists() -> None:
    used = {name for query in QUERIES for name in _METRIC.findall(query)}

    assert used - NAMES == set()
    assert NAMES - used == {"process_virtual_memory_bytes", "process_start_time_seconds"} - used


def test_shared_facts_are_never_added_up_over_servers() -> None:
    for query in QUERIES:
        plain = _GROUPING.sub("", query)
        for name in SHARED & set(_METRIC.findall(query)):
            assert re.search(rf"\b(?:max|min) *\({name}\b", plain), query


def test_the_page_has_every_metric_with_its_labels() -> None:
    assert catalogue.metrics_table() in (SPECS / "metrics.md").read_text(), "write the table of metrics_table()"
