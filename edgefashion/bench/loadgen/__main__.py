"""The process that LoadGen runs in."""

from edgefashion.bench.loadgen.child import main

main()
