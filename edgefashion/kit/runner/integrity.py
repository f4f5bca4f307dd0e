"""Whether the kit is, byte for byte, what was packed."""

import json
from pathlib import Path
from typing import Any

from edgefashion.errors import BadInput
from edgefashion.files import check_seal, read_bounded, sha256

KIT_FILE = "kit.json"


def read_kit(folder: Path) -> dict[str, Any]:
    """What kit.json says, after its seal and the digest of every file that it lists were checked.

    Raises:
        BadInput: A file is missing, damaged or edited; the message names it.
    """
    content = read_bounded(folder / KIT_FILE)
    check_seal(content, folder / KIT_FILE)
    kit: dict[str, Any] = json.loads(content)
    for name, digest in kit["files"].items():
        if sha256(read_bounded(folder / name)) != digest:
            raise BadInput(f"{folder / name} is damaged or edited: its SHA-256 is not that in kit.json; copy it again")
    return kit
