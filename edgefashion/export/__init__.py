"""Export a checkpoint: a file that another runtime can run, proven to decide like PyTorch before it is kept.

fp32, parity = export.to_onnx(checkpoint, split)
tflite, parity = export.convert("litert", checkpoint, split, precision="int8")

ONNX is what the rest of the project starts from. Every other format is one file here, one line in `FORMATS`.
"""

from edgefashion.export.formats import FORMATS, Converted, Converter, convert, load_converter
from edgefashion.export.onnx import DEFAULT_OPSET, OPSETS, to_onnx

__all__ = ["DEFAULT_OPSET", "FORMATS", "OPSETS", "Converted", "Converter", "convert", "load_converter", "to_onnx"]
