"""Gates are shown to fire: faults are injected, one after the other, and the gate that stands against each must see it.

    report = selftest.run(run_folder, split, clean=20)
    report.passed, report.missed, report.alarms

A gate that nobody has seen fail is a guess; one that also fires on sound models is a nuisance. Both are tried on the
user's own run, with the gates that the other commands use: nothing here judges by itself.
"""

from edgefashion.selftest.run import run

__all__ = ["run"]
