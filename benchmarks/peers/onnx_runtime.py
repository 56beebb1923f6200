"""onnxruntime, for predictions: the network as an ONNX graph of Gemm and activations."""

from __future__ import annotations

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..cases import Array, Case
from . import System

NODES = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax"}


def model(case: Case) -> bytes:
    """The case with its first weights."""
    kind = getattr(TensorProto, case.dtype.replace("float", "FLOAT").replace("FLOAT32", "FLOAT"))
    arrays = case.parameters()
    nodes, weights = [], [numpy_helper.from_array(a, f"p{i}") for i, a in enumerate(arrays)]
    value = "x"
    for i, activation in enumerate(case.activations):
        inputs = [value, f"p{2 * i}", f"p{2 * i + 1}"]
        nodes.append(helper.make_node("Gemm", inputs, [value := f"z{i}"]))
        if activation != "identity":
            nodes.append(helper.make_node(NODES[activation], [value], [value := f"y{i}"]))
    x = helper.make_tensor_value_info("x", kind, [case.rows, case.widths[0]])
    y = helper.make_tensor_value_info(value, kind, [case.rows, case.widths[-1]])
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    # versions that every onnxruntime of the last years reads
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = made.SerializeToString()
    return serialized


class Predict(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(model(case), options, providers)

    def run(self, n: int) -> None:
        call, feed = self.session.run, {"x": self.x}
        for _ in range(n):
            self.output = call(None, feed)[0]

    def result(self) -> list[Array]:
        return [self.output]
