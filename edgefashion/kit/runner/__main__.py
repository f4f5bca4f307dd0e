"""`python -m edgefashion_kit`: no other file runs before its digest was found in kit.json."""

import hashlib
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - a kit goes where no package manager asks
    sys.stderr.write("edgefashion_kit: needs Python 3.11 or newer\n")
    sys.exit(5)
sys.dont_write_bytecode = True  # what runs is what is checked here, and no compiled copy of it
KIT = Path(__file__).resolve().parents[1]
LISTED = (KIT / "kit.json").read_bytes()
# This file is looked at by those that it looks at: a damaged check must not judge itself.
for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
    if hashlib.sha256(path.read_bytes()).hexdigest().encode() not in LISTED:
        sys.stderr.write(f"edgefashion_kit: {path} is damaged, or kit.json beside it: copy the kit again\n")
        sys.exit(4)

from edgefashion.kit.runner.command import main  # noqa: E402 - what comes before it is the point

main(KIT)
sys.exit(70)  # not reached, unless a damaged line above has let it come to this
