"""Files of sponsorship policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_policies(folder: Path, *policies: dict[str, Any]) -> Path:
    """Write a policy file into the folder, and return its path."""
    file = folder / "policies.toml"
    file.write_text(format_policies(*policies))
    return file


def format_policies(*policies: dict[str, Any]) -> str:
    """Return the TOML of policies, with values as JSON and nested tables as dotted keys."""
    lines = []
    for policy in policies:
        lines.append("[[policy]]")
        for key, value in policy.items():
            if isinstance(value, dict):
                lines += [f"{key}.{inner} = {json.dumps(given)}" for inner, given in value.items()]
            else:
                lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
