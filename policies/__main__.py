"""The pack, as the engine starts it: `pulumi preview --policy-pack policies`."""

import sys
from pathlib import Path

from pulumi_policy import EnforcementLevel, PolicyPack

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # it is started in this folder

from policies.pack import POLICIES

PolicyPack("arquitectura", POLICIES, EnforcementLevel.MANDATORY)
