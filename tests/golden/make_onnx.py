"""Writes tests/golden/onnx/*: small models of every kind that ONNX's Python package writes, and onnx.json with what is in them."""

import json
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")
rng = np.random.RandomState(0)

NUMPY = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
    TensorProto.INT8: np.int8,
    TensorProto.UINT8: np.uint8,
    TensorProto.INT16: np.int16,
    TensorProto.UINT16: np.uint16,
    TensorProto.INT32: np.int32,
    TensorProto.UINT32: np.uint32,
    TensorProto.INT64: np.int64,
    TensorProto.UINT64: np.uint64,
    TensorProto.BOOL: np.bool_,
}


def values_of(number):
    dtype = NUMPY[number]
    if dtype == np.bool_:
        return np.array([[True, False, True]])
    if np.issubdtype(dtype, np.floating):
        return rng.randn(2, 3).astype(dtype)
    limits = np.iinfo(dtype)
    return np.array([[limits.min, 0, 1], [2, limits.max - 1, limits.max]], dtype=dtype)


def types():
    """Each type twice: as raw bytes, and as numbers."""
    tensors, expected = [], {}
    for number in NUMPY:
        value = values_of(number)
        name = TensorProto.DataType.Name(number).lower()
        tensors.append(numpy_helper.from_array(value, f"{name}_raw"))
        flat = value.flatten()
        if number == TensorProto.FLOAT16:
            flat = flat.view(np.uint16)
        tensor = TensorProto(name=f"{name}_numbers", dims=value.shape, data_type=number)
        field = {
            TensorProto.FLOAT: tensor.float_data,
            TensorProto.DOUBLE: tensor.double_data,
            TensorProto.INT64: tensor.int64_data,
            TensorProto.UINT64: tensor.uint64_data,
            TensorProto.UINT32: tensor.uint64_data,
        }.get(number, tensor.int32_data)
        field.extend(flat.tolist())
        tensors.append(tensor)
        for form in ("raw", "numbers"):
            expected[f"{name}_{form}"] = {
                "shape": list(value.shape),
                "values": [str(item) for item in value.flatten().tolist()],
            }
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
    node = helper.make_node("Identity", ["float_raw"], ["y"])
    graph = helper.make_graph([node], "types", [], [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), expected


def attributes():
    """A node with an attribute of every kind, and a subgraph."""
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    node = helper.make_node(
        "Custom",
        ["x", "", "x"],
        ["y"],
        name="node",
        domain="test",
        a_float=0.5,
        an_int=-(2**63),
        a_large_int=2**63 - 1,
        a_string="grüße",
        floats=[1.5, -2.5],
        ints=[-1, 2**62 + 1, 0],
        strings=["a", ""],
        tensor=numpy_helper.from_array(np.arange(3, dtype=np.int32), "inside"),
        branch=branch,
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None])
    y = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.INT64, []))
    outputs = [helper.make_value_info("y", y)]
    graph = helper.make_graph([node], "attributes", [x], outputs, doc_string="documentation")
    model = helper.make_model(
        graph,
        producer_name="make_onnx",
        model_version=3,
        opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("test", 2)],
    )
    helper.set_model_props(model, {"key": "value"})
    return model


def sparse():
    values = numpy_helper.from_array(np.array([1, 2, 3], dtype=np.float32), "sparse")
    flat = numpy_helper.from_array(np.array([1, 4, 7], dtype=np.int64), "indices")
    placed = numpy_helper.from_array(np.array([[0, 1], [1, 1], [2, 1]], dtype=np.int64), "indices")
    other = numpy_helper.from_array(np.array([1, 2, 3], dtype=np.float32), "placed")
    tensors = [
        helper.make_sparse_tensor(values, flat, [3, 3]),
        helper.make_sparse_tensor(other, placed, [3, 3]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 3])
    nodes = [
        helper.make_node("Add", ["x", "sparse"], ["sum"]),
        helper.make_node("Sub", ["sum", "placed"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "sparse", [x], [y])
    graph.sparse_initializer.extend(tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])


def functions():
    """A function that calls another, with an attribute that refers to the call's."""
    opset = helper.make_opsetid("", 15)
    own = helper.make_opsetid("own", 1)
    scale = helper.make_function(
        "own",
        "Scale",
        ["a"],
        ["b"],
        [
            helper.make_node("Elu", ["a"], ["t"]),
            helper.make_node("Add", ["t", "a"], ["b"]),
        ],
        [opset],
        ["alpha"],
    )
    reference = scale.node[0].attribute.add()
    reference.name = "alpha"
    reference.ref_attr_name = "alpha"
    reference.type = onnx.AttributeProto.FLOAT
    twice = helper.make_function(
        "own",
        "Twice",
        ["a"],
        ["b"],
        [
            helper.make_node("Scale", ["a"], ["t"], domain="own", alpha=0.5),
            helper.make_node("Scale", ["t"], ["b"], domain="own", alpha=2.0),
        ],
        [opset, own],
    )
    nodes = [
        helper.make_node("Twice", ["x"], ["t"], domain="own"),
        helper.make_node("Twice", ["t"], ["y"], domain="own"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph(nodes, "functions", [x], [y])
    return helper.make_model(graph, opset_imports=[opset, own], functions=[scale, twice])


def external():
    weights = rng.randn(64, 3).astype(np.float32)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    graph = helper.make_graph([node], "external", [x], [y], [numpy_helper.from_array(weights, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    return model, weights


os.makedirs(FOLDER, exist_ok=True)


def save(name, model):
    model.ir_version = 8
    with open(os.path.join(FOLDER, f"{name}.onnx"), "wb") as file:
        file.write(model.SerializeToString())


model, tensors = types()
save("types", model)
save("attributes", attributes())
save("sparse", sparse())
save("functions", functions())
model, weights = external()
convert_model_to_external_data(model, location="external.bin", size_threshold=0)
model.ir_version = 8
for stale in ("external.bin",):
    if os.path.exists(os.path.join(FOLDER, stale)):
        os.remove(os.path.join(FOLDER, stale))
onnx.save(model, os.path.join(FOLDER, "external.onnx"))

x = rng.randn(2, 2).astype(np.float32)


def elu(values, alpha):
    return np.where(values > 0, values, alpha * (np.exp(values) - 1))


def twice(values):
    first = elu(values, 0.5) + values
    return elu(first, 2.0) + first


expected = {
    "types": tensors,
    "functions": {"x": x.flatten().tolist(), "y": twice(twice(x.astype(np.float64))).flatten().tolist()},
    "external": {"weight": weights.flatten().tolist()},
}
with open(os.path.join(FOLDER, "onnx.json"), "w") as file:
    json.dump(expected, file)
