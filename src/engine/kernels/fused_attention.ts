/** Scaled dot-product attention and its gradient. */
import { emit, int64s, scalar, Value } from "../graph/value.js";
import type { Lowerings } from "./lowering.js";
import { saveForGradient, savedForGradient } from "./saved_values.js";
import { transposedProduct } from "./transposed_product.js";

const FLOAT = "float32";

export const fusedAttention: Lowerings = {
  Attention: ({ query, key, value, mask, dropout }, attributes, backend) => {
    const [q, k, v] = [query!, key!, value!].map((tensor) => backend.value(tensor)) as [Value, Value, Value];
    let scores = transposedProduct(backend, q, k, { transB: 1, alpha: attributes.scale as number });
    if (mask !== undefined) scores = emit("Add", [scores, backend.value(mask)], scores.shape, FLOAT);
    if (attributes.causal === true) scores = hideLaterKeys(scores);
    const probabilities = emit("Softmax", [scores], scores.shape, FLOAT, { axis: -1 });
    const factors = dropout === undefined ? [] : [backend.value(dropout)];
    const kept = emitProduct(probabilities, factors);
    saveForGradient(attributes, probabilities, kept, ...factors);
    const output = transposedProduct(backend, kept, v, {});
    return backend.output(output, output.shape, FLOAT);
  },

  /**
   * With p the probabilities and m the factors of dropout: dvalue = (p · m)ᵀ dy, dscores = p · (m · (dy valueᵀ) - Σ dy · y)
   * (Dao et al., "FlashAttention", 2022: the sum over the keys equals one over the much narrower output).
   */
  AttentionGrad: ({ dy, query, key, value, y }, attributes, backend) => {
    const inputs = [dy!, query!, key!, value!, y!].map((tensor) => backend.value(tensor));
    const [output, q, k, v, attended] = inputs as [Value, Value, Value, Value, Value];
    const [probabilities, kept, ...factors] = savedForGradient(attributes) as [Value, Value, Value?];
    const alpha = attributes.scale as number;
    const dvalue = transposedProduct(backend, kept, output, { transA: 1 });
    const dprobabilities = emitProduct(
      transposedProduct(backend, output, v, { transB: 1 }),
      factors as Value[],
    );
    const product = emit("Mul", [output, attended], output.shape, FLOAT);
    const sums = emit("ReduceSum", [product, int64s([-1])], [...output.shape.slice(0, -1), 1], FLOAT, {
      keepdims: 1,
    });
    const centred = emit("Sub", [dprobabilities, sums], probabilities.shape, FLOAT);
    const dscores = emit("Mul", [probabilities, centred], probabilities.shape, FLOAT);
    const dquery = transposedProduct(backend, dscores, k, { alpha });
    const dkey = transposedProduct(backend, dscores, q, { transA: 1, alpha });
    return [dquery, dkey, dvalue, dscores].map((result) => backend.output(result, result.shape, FLOAT));
  },
};

function emitProduct(value: Value, factors: readonly Value[]): Value {
  return factors.reduce((product, factor) => emit("Mul", [product, factor], product.shape, FLOAT), value);
}

/** Adds -∞ where the key comes after the query. ONNX Runtime makes the triangle once, when it compiles. */
function hideLaterKeys(scores: Value): Value {
  const shape = scores.shape.slice(-2);
  const hidden = emit("Expand", [scalar(-Infinity), int64s(shape)], shape, FLOAT);
  const above = emit("Trilu", [hidden, new Value([], "int64", [1])], shape, FLOAT, { upper: 1 });
  return emit("Add", [scores, above], scores.shape, FLOAT);
}
