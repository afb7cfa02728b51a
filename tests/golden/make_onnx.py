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


def value(array, name):
    return numpy_helper.from_array(np.asarray(array), name)


def network():
    """A convolution with batch norm, a residual branch, dropout and a classifier."""
    n = lambda *shape: (rng.randn(*shape) * 0.3).astype(np.float32)
    initializers = [
        value(n(4, 3, 3, 3), "features.0.weight"),
        value(np.abs(n(4)) + 0.5, "features.1.weight"),
        value(n(4), "features.1.bias"),
        value(n(4), "features.1.running_mean"),
        value(np.abs(n(4)) + 0.5, "features.1.running_var"),
        value(n(4, 2, 1, 1), "features.3.weight"),
        value(n(4), "features.3.bias"),
        value(n(4, 5), "classifier.weight"),
        value(n(5), "classifier.bias"),
        value(np.array([0.485, 0.456, 0.406], dtype=np.float32).reshape(1, 3, 1, 1), "mean"),
    ]
    node = helper.make_node
    nodes = [
        node("Sub", ["x", "mean"], ["centred"]),
        node("Conv", ["centred", "features.0.weight"], ["c"], "features/0", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        node(
            "BatchNormalization",
            ["c", "features.1.weight", "features.1.bias", "features.1.running_mean", "features.1.running_var"],
            ["b"],
            "features/1",
        ),
        node("Relu", ["b"], ["r"]),
        node("Conv", ["r", "features.3.weight", "features.3.bias"], ["d"], "features/3", kernel_shape=[1, 1], group=2),
        node("Add", ["r", "d"], ["sum"]),
        node("MaxPool", ["sum"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Dropout", ["m"], ["dropped"], "dropout"),
        node("Shape", ["dropped"], ["shape"]),
        node("Constant", [], ["zero"], value=value(np.int64(0), "")),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Constant", [], ["axes"], value=value(np.array([0], dtype=np.int64), "")),
        node("Unsqueeze", ["batch", "axes"], ["batch1"]),
        node("Constant", [], ["rest"], value=value(np.array([4, -1], dtype=np.int64), "")),
        node("Concat", ["batch1", "rest"], ["target"], axis=0),
        node("Reshape", ["dropped", "target"], ["places"]),
        node("ReduceMean", ["places"], ["pooled"], axes=[2], keepdims=0),
        node("MatMul", ["pooled", "classifier.weight"], ["product"], "classifier/MatMul"),
        node("Add", ["product", "classifier.bias"], ["logits"], "classifier/Add"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 5])
    graph = helper.make_graph(nodes, "network", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])


def control():
    """Branches on a shape and on a constant, a loop and a scan; names of the branches are the same."""
    node = helper.make_node

    def info(name, kind=TensorProto.FLOAT, shape=None):
        return helper.make_tensor_value_info(name, kind, shape)

    branch = lambda operator, weight: helper.make_graph(
        [node(operator, ["x", "w"], ["inner"])],
        operator,
        [],
        [info("inner")],
        [value(np.array(weight, dtype=np.float32), "w")],
    )
    body = helper.make_graph(
        [
            node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
            node("Add", ["state", "f"], ["next"]),
            node("Mul", ["next", "x"], ["seen"]),
            node("Identity", ["goes"], ["on"]),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("goes", TensorProto.BOOL, []), info("state")],
        [info("on", TensorProto.BOOL, []), info("next"), info("seen")],
    )
    step = helper.make_graph(
        [node("Add", ["total", "row"], ["sum"]), node("Identity", ["sum"], ["copy"])],
        "step",
        [info("total"), info("row")],
        [info("sum"), info("copy")],
    )
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["rows"]),
        node("Greater", ["rows", "two"], ["many"]),
        node("If", ["many"], ["branch"], then_branch=branch("Mul", [2, 3, 4]), else_branch=branch("Add", [5, 6, 7])),
        node("If", ["never"], ["known"], then_branch=branch("Sub", [1, 1, 1]), else_branch=branch("Mul", [1, 2, 1])),
        node("Add", ["branch", "known"], ["start"]),
        node("Loop", ["three", "", "start"], ["end", "all"], body=body),
        node("ReduceSum", ["end", "axis"], ["begin"], keepdims=0),
        node("Scan", ["begin", "end"], ["total", "sums"], body=step, num_scan_inputs=1),
    ]
    constants = [
        value(np.int64(0), "zero"),
        value(np.int64(2), "two"),
        value(np.int64(3), "three"),
        value(np.array(False), "never"),
        value(np.array([0], dtype=np.int64), "axis"),
    ]
    shapes = {"end": ["n", 3], "all": [3, "n", 3], "total": [3], "sums": ["n", 3]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "control", [x], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])


def quantized():
    """Weights as ONNX Runtime's quantizer keeps them: int8 for each output channel, biases int32."""
    node = helper.make_node
    scales = (rng.rand(4) * 0.01 + 0.01).astype(np.float32)
    initializers = [
        value(rng.randint(-127, 128, (4, 3, 3, 3)).astype(np.int8), "conv.weight_quantized"),
        value(scales, "conv.weight_scale"),
        value(np.zeros(4, dtype=np.int8), "conv.weight_zero_point"),
        value(rng.randint(-1000, 1000, 4).astype(np.int32), "conv.bias_quantized"),
        value(scales * np.float32(0.1), "conv.bias_scale"),
        value(rng.randint(0, 256, (5, 4)).astype(np.uint8), "fc.weight_quantized"),
        value(np.float32(0.02), "fc.weight_scale"),
        value(np.uint8(128), "fc.weight_zero_point"),
    ]
    nodes = [
        node(
            "DequantizeLinear",
            ["conv.weight_quantized", "conv.weight_scale", "conv.weight_zero_point"],
            ["conv.weight_dq"],
            axis=0,
        ),
        node("DequantizeLinear", ["conv.bias_quantized", "conv.bias_scale"], ["conv.bias_dq"], axis=0),
        node("Conv", ["x", "conv.weight_dq", "conv.bias_dq"], ["c"], "conv", kernel_shape=[3, 3]),
        node("GlobalAveragePool", ["c"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Transpose", ["fc.weight_quantized"], ["fc.transposed"], perm=[1, 0]),
        node(
            "DequantizeLinear",
            ["fc.transposed", "fc.weight_scale", "fc.weight_zero_point"],
            ["fc.weight_dq"],
        ),
        node("MatMul", ["f", "fc.weight_dq"], ["y"], "fc"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])
    graph = helper.make_graph(nodes, "quantized", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])


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
save("network", network())
save("control", control())
quantized_model = quantized()
save("quantized", quantized_model)
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


def run_quantized(model, values):
    """ONNX Runtime takes shortcuts in int8 here: this is what the file says."""
    array = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer}
    kernel = array["conv.weight_quantized"] * array["conv.weight_scale"][:, None, None, None]
    bias = array["conv.bias_quantized"] * array["conv.bias_scale"]
    matrix = (array["fc.weight_quantized"] - array["fc.weight_zero_point"]) * array["fc.weight_scale"]
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3), axis=(2, 3))
    convolved = np.einsum("nchwij,ocij->nohw", windows, kernel) + bias[:, None, None]
    return convolved.mean(axis=(2, 3)) @ matrix.T


pictures = rng.randn(2, 3, 8, 8).astype(np.float32)

expected = {
    "quantized": {
        "x": pictures.flatten().tolist(),
        "y": run_quantized(quantized_model, pictures.astype(np.float64)).flatten().tolist(),
    },
    "types": tensors,
    "functions": {"x": x.flatten().tolist(), "y": twice(twice(x.astype(np.float64))).flatten().tolist()},
    "external": {"weight": weights.flatten().tolist()},
}
with open(os.path.join(FOLDER, "onnx.json"), "w") as file:
    json.dump(expected, file)
