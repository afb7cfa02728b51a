/**
 * Cross-entropy of logits and its gradient. The forward pass keeps the softmax p; the logarithm of Σ exp is
 * max(logits) - log(max(p)), so that no second pass of exponentials is needed and nothing underflows.
 */
import { emit, int64s, scalar, Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import type { Lowerings } from "./lowering.js";
import { saveForGradient, savedForGradient } from "./saved_values.js";

const FLOAT = "float32";

export const fusedCrossEntropy: Lowerings = {
  LabelCrossEntropy: ({ logits, labels }, attributes, backend) => {
    const [rows, classes] = logits!.shape as [number, number];
    const input = backend.value(logits!);
    const label = reshapeValue(backend.value(labels!), [rows, 1]);
    const { probabilities, total } = logSumExp(input);
    // An index beyond the classes would stop the whole graph: it is moved into range, and its loss made NaN.
    const low = emit("Max", [label, new Value([1, 1], "int32", [0])], [rows, 1], "int32");
    const index = emit("Min", [low, new Value([1, 1], "int32", [classes - 1])], [rows, 1], "int32");
    const valid = emit("Equal", [index, label], [rows, 1], "bool");
    const wanted = emit("GatherElements", [input, index], [rows, 1], FLOAT, { axis: 1 });
    const loss = emit("Sub", [total, wanted], [rows, 1], FLOAT);
    const checked = emit("Where", [valid, loss, scalar(NaN)], [rows, 1], FLOAT);
    saveForGradient(attributes, probabilities, index);
    return backend.output(reshapeValue(checked, [rows]), [rows], FLOAT);
  },
  /** dy · (p - oneHot(label)) */
  LabelCrossEntropyGrad: ({ dy, logits }, attributes, backend) => {
    const { shape } = logits!;
    const [probabilities, index] = savedForGradient(attributes);
    const factor = reshapeValue(backend.value(dy!), [shape[0]!, 1]);
    const scaled = emit("Mul", [probabilities!, factor], shape, FLOAT);
    const minus = emit("Neg", [factor], factor.shape, FLOAT);
    const gradient = emit("ScatterElements", [scaled, index!, minus], shape, FLOAT, {
      axis: 1,
      reduction: "add",
    });
    return backend.output(gradient, shape, FLOAT);
  },

  SoftCrossEntropy: ({ logits, target }, attributes, backend) => {
    const { shape } = logits!;
    const [input, share] = [backend.value(logits!), backend.value(target!)];
    const { probabilities, total } = logSumExp(input);
    const surprise = emit("Sub", [total, input], shape, FLOAT);
    const loss = sumOfColumns(emit("Mul", [share, surprise], shape, FLOAT));
    saveForGradient(attributes, probabilities, surprise);
    return backend.output(reshapeValue(loss, [shape[0]!]), [shape[0]!], FLOAT);
  },
  /** dlogits = dy · (p · Σ target - target), dtarget = dy · -log p */
  SoftCrossEntropyGrad: ({ dy, logits, target }, attributes, backend) => {
    const { shape } = logits!;
    const [probabilities, surprise] = savedForGradient(attributes);
    const share = backend.value(target!);
    const factor = reshapeValue(backend.value(dy!), [shape[0]!, 1]);
    const expected = emit("Mul", [probabilities!, sumOfColumns(share)], shape, FLOAT);
    const difference = emit("Sub", [expected, share], shape, FLOAT);
    return [
      backend.output(emit("Mul", [difference, factor], shape, FLOAT), shape, FLOAT),
      backend.output(emit("Mul", [surprise!, factor], shape, FLOAT), shape, FLOAT),
    ];
  },
};

function logSumExp(logits: Value): { probabilities: Value; total: Value } {
  const column = [logits.shape[0]!, 1];
  const probabilities = emit("Softmax", [logits], logits.shape, FLOAT, { axis: 1 });
  const largest = (value: Value) => emit("ReduceMax", [value, int64s([1])], column, FLOAT, { keepdims: 1 });
  const share = emit("Log", [largest(probabilities)], column, FLOAT);
  return { probabilities, total: emit("Sub", [largest(logits), share], column, FLOAT) };
}

function sumOfColumns(value: Value): Value {
  return emit("ReduceSum", [value, int64s([1])], [value.shape[0]!, 1], FLOAT, { keepdims: 1 });
}
