"""What onnxruntime's quantizers need around them: an inferred model, a place on disk, and some quiet."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The quantizers look for this mark, set by onnxruntime's own preprocessing, before they warn that shapes
# are missing. The exported graph is optimized already and its shapes are inferred below.
_PREPROCESSED = ("onnx.quant.pre_process", "onnxruntime.quant")


class Target:
    """Where a quantizer writes its model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        """The path as the quantizer wants it."""
        return str(self.path)

    def read(self) -> Any:
        """The onnx.ModelProto that was written."""
        import onnx

        return onnx.load(self.path)


@contextmanager
def prepared(model: Any) -> Iterator[tuple[str, "Target"]]:
    """Paths of the inferred model and of the quantized one to be, in a folder that is removed afterwards."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    key, value = _PREPROCESSED
    inferred.metadata_props.add(key=key, value=value)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="edgefashion-") as folder:
            source = Path(folder) / "source.onnx"
            onnx.save(inferred, source)
            yield str(source), Target(Path(folder) / "target.onnx")
    finally:
        root.setLevel(level)
