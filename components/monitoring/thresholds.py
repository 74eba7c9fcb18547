"""What alerts compare with: recording rules made from the config, so that alerts are plain YAML."""

from collections.abc import Mapping

import yaml

PREFIX = "arquitectura:threshold:"
CITUS_WORKERS = "arquitectura:citus_workers:expected"


def threshold_rules(thresholds: Mapping[str, float], *, citus_workers: int) -> str:
    """The text of `thresholds.yaml`.

    Args:
        thresholds: by name, such as `cpu_percent`; each is kept as
            `arquitectura:threshold:<name>`, without labels.
        citus_workers: how many workers each Citus database should have.
    """
    constants = {f"{PREFIX}{name}": value for name, value in thresholds.items()}
    constants[CITUS_WORKERS] = citus_workers
    rules = [{"record": name, "expr": f"vector({value})"} for name, value in constants.items()]
    return yaml.safe_dump({"groups": [{"name": "thresholds", "rules": rules}]}, sort_keys=False)
