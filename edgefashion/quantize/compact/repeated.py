"""What can be left out of any ONNX file: notes, attributes at their defaults, constants that are there already."""

from typing import Any

from edgefashion.quantize.compact.graph import prune, take_instead

# Attributes whose default follows from the shape of the input: one value for each of its axes.
_EVERYWHERE = {"strides": 1, "dilations": 1, "pads": 0}


def drop_notes(model: Any) -> None:
    """Shapes that any reader can infer, and who wrote the file, which the manifest says too."""
    del model.graph.value_info[:]
    for field in ("producer_name", "producer_version", "doc_string"):
        model.ClearField(field)


def drop_defaults(model: Any) -> None:
    """Attributes that say what holds without them."""
    versions = {each.domain: each.version for each in model.opset_import}
    for node in model.graph.node:
        defaults = _defaults(node, versions)
        told = [each for each in node.attribute if not _is_default(node, each, defaults)]
        del node.attribute[:]
        node.attribute.extend(told)


def share_constants(model: Any) -> None:
    """Of initializers with the same type, shape and values one is kept."""
    graph, first = model.graph, dict[Any, str]()
    for each in graph.initializer:
        kept = first.setdefault(_content(each), each.name)
        if kept != each.name:
            take_instead(graph, each.name, kept)
    prune(graph)


def _content(tensor: Any) -> tuple[int, tuple[int, ...], bytes]:
    from onnx import numpy_helper

    return tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes()


def _defaults(node: Any, versions: dict[str, int]) -> dict[str, Any]:
    """The default of each attribute that has one, by the operator's schema; onnx knows none of onnxruntime's own."""
    from onnx import defs, helper

    domain = node.domain
    if domain not in versions or not defs.has(node.op_type, domain):
        return {}
    schema = defs.get_schema(node.op_type, versions[domain], domain)
    found = {name: each.default_value for name, each in schema.attributes.items()}
    return {name: helper.get_attribute_value(value) for name, value in found.items() if value.name}


def _is_default(node: Any, attribute: Any, defaults: dict[str, Any]) -> bool:
    from onnx import helper

    name, value = attribute.name, helper.get_attribute_value(attribute)
    if name in _EVERYWHERE:
        return set(value) == {_EVERYWHERE[name]}
    # A convolution's window is its weight's.
    return (name, node.op_type) == ("kernel_shape", "Conv") or (name in defaults and defaults[name] == value)
