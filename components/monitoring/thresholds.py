"""What alerts compare with: recording rules made from the config, so that alerts are plain YAML."""

from collections.abc import Mapping

import yaml

PREFIX = "arquitectura:threshold:"

EXPECTED = {"arquitectura:citus_workers:expected": 'count(up{job="postgres", role="worker"})'}
"""How many there should be, from Prometheus' targets: these follow the config, whether or not they
answer. A number here would restart Prometheus whenever the stack grows."""


def threshold_rules(thresholds: Mapping[str, float]) -> str:
    """The text of `thresholds.yaml`.

    Args:
        thresholds: by name, such as `cpu_percent`; each is kept as
            `arquitectura:threshold:<name>`, without labels.
    """
    constants = {f"{PREFIX}{name}": f"vector({value})" for name, value in thresholds.items()}
    rules = [{"record": name, "expr": expr} for name, expr in {**constants, **EXPECTED}.items()]
    return yaml.safe_dump({"groups": [{"name": "thresholds", "rules": rules}]}, sort_keys=False)
