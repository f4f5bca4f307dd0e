"""Train a small image classifier, export it, prove that the export is the same model, and measure it.

The rooms of the package follow the line that a model takes, and each has one verb:

    data.load → train.fit → export.to_onnx → quantize.apply → verify.compare → bench.measure → report.save

Import the room, call the verb: nothing heavy is imported before it is needed.
"""

import os

# From 1.32 on, onnxruntime's Linux wheels keep a store of usage events and a thread that sends them, unless this is
# set before they are imported. Nothing here calls home, and what is measured is the model.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
