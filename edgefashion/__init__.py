"""Train a small image classifier, export it, prove that the export is the same model, and measure it.

The rooms of the package follow the line that a model takes, and each has one verb:

    data.load → train.fit → export.to_onnx → quantize.apply → verify.compare → bench.measure → report.save

Import the room, call the verb: nothing heavy is imported before it is needed.
"""

__version__ = "0.1.0"
