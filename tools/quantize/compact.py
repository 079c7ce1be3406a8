"""Model files without what only exporters need: in a network of some kilobytes their names are a quarter of the file."""

from __future__ import annotations

from typing import Any


def stripped(onnx_model: bytes) -> bytes:
    """An ONNX model without metadata, inner tensors and nodes named by numbers; names of inputs and outputs stay."""
    import onnx

    model = onnx.load_from_string(onnx_model)
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    model.producer_name = model.producer_version = ""
    del model.graph.value_info[:]
    for i, node in enumerate(model.graph.node):
        node.doc_string, node.name = "", f"n{i}"
        del node.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
    _shorten(model.graph)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _shorten(graph: Any) -> None:
    outer = {x.name for x in (*graph.input, *graph.output)} | {""}
    short: dict[str, str] = {}

    def of(name: str) -> str:
        return name if name in outer else short.setdefault(name, f"t{len(short)}")

    for node in graph.node:
        node.input[:] = map(of, node.input)
        node.output[:] = map(of, node.output)
    for tensor in graph.initializer:
        tensor.name = of(tensor.name)


def unnamed(flatbuffer: bytes) -> bytes:
    """A TFLite model without names of tensors; those of its signature, by which it is called, are others and stay.

    For finished files: the quantizer tells tensors apart by name.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(flatbuffer))
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
