"""Export a checkpoint: a file that another runtime can run, proven to decide like PyTorch before it is kept.

fp32, parity = export.to_onnx(checkpoint, split)
"""

from edgefashion.export.onnx import DEFAULT_OPSET, OPSETS, to_onnx

__all__ = ["DEFAULT_OPSET", "OPSETS", "to_onnx"]
