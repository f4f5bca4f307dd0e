"""The process that LoadGen runs in."""

from edgefashion.bench.points.loadgen.child import main

main()
