/**
 * A graph on blocked pictures, said in ONNX's own operators. ONNX Runtime puts pictures into blocks itself where weights are
 * constant, and fills up channels that do not make whole blocks, which ours does not: where a network has such channels its
 * pictures go into blocks and out of them again and again.
 */
import type { ModelNode, NamedValue } from "../graph/onnx_model.js";
import { int64s, scalar, Value } from "../graph/value.js";
import { blockSize } from "./block_size.js";

const BLOCKED = "com.microsoft.nchwc:";

/** Operators that take each number by itself, wherever it lies. */
const ELEMENTWISE: ReadonlySet<string> = new Set(
  (
    "Abs Add Clip Div Elu Erf Exp HardSigmoid LeakyRelu Log Max Min Mul Neg Pow Reciprocal Relu Sigmoid Softplus Sqrt " +
    "Sub Tanh"
  ).split(" "),
);

export interface PlainModel {
  nodes: ModelNode[];
  /** What the nodes use besides the constants that the graph has. */
  constants: NamedValue[];
}

/**
 * @param nodes operators that follow from what varies
 * @param given everything else that they use
 * @param outputs names of what the graph gives
 * @returns undefined where all pictures are blocked anyway, and where something looks at the blocks as such
 */
export function withoutBlocks(
  nodes: readonly ModelNode[],
  given: readonly NamedValue[],
  outputs: readonly NamedValue[],
): PlainModel | undefined {
  const operators = new Set(nodes.map(({ operator }) => operator));
  if (!operators.has("Conv") || !operators.has(`${BLOCKED}Conv`)) return undefined;
  const graph = new PlainGraph(given);
  const isPlain =
    nodes.every((node) => graph.add(node)) && !outputs.some(({ name }) => graph.isBlocked(name));
  return isPlain ? graph : undefined;
}

class PlainGraph implements PlainModel {
  readonly nodes: ModelNode[] = [];
  readonly constants: NamedValue[] = [];
  readonly #values: Map<string, Value>;
  /** For each blocked picture, the name of what holds it without blocks. */
  readonly #plain = new Map<string, string>();

  constructor(given: readonly NamedValue[]) {
    this.#values = new Map(given.map(({ name, value }) => [name, value]));
  }

  isBlocked(name: string): boolean {
    return this.#plain.has(name);
  }

  /** @returns whether a node has such a form */
  add(node: ModelNode): boolean {
    node.outputs.forEach((name, i) => this.#values.set(name, node.outputValues[i]!));
    const { operator, attributes } = node;
    const input = node.inputs[0]!;
    const output = node.outputs[0]!;
    const readsBlocks = node.inputs.some((name) => this.isBlocked(name));
    if (operator === `${BLOCKED}Conv`) return this.#addConvolution(node);
    if (operator === `${BLOCKED}ReorderInput`) {
      this.#plain.set(output, input);
      return !readsBlocks && !("channels_last" in attributes) && this.#values.get(input)!.shape.length === 4;
    }
    if (operator === `${BLOCKED}ReorderOutput`) {
      if (attributes.channels !== this.#values.get(this.#name(input))!.shape[1]) return false;
      this.nodes.push({ ...node, operator: "Identity", inputs: [this.#name(input)], attributes: {} });
      return readsBlocks;
    }
    const isPool = operator.startsWith(BLOCKED) && operator.endsWith("AveragePool");
    if (isPool && !readsBlocks) return false;
    if (readsBlocks && !isPool) {
      if (!ELEMENTWISE.has(operator) || !node.inputs.every((name) => this.#hasPlainForm(name))) return false;
    }
    const inputs = node.inputs.map((name) => this.#name(name));
    this.nodes.push({ ...node, inputs, operator: isPool ? operator.slice(BLOCKED.length) : operator });
    if (readsBlocks) this.#setBlocked(output);
    return true;
  }

  #addConvolution(node: ModelNode): boolean {
    const { activation, activation_params: limits, ...attributes } = node.attributes;
    const [image, weight, bias, summand] = node.inputs as [string, string, string?, string?];
    const [output] = node.outputs as [string];
    const { shape } = this.#values.get(weight)!;
    const inBlocks = attributes.group === 1 && shape[1]! % blockSize() === 0;
    const takesBlocks = inBlocks || attributes.group !== 1;
    if (takesBlocks !== this.isBlocked(image) && !isPoint(this.#values.get(image)!)) return false;
    if (this.isBlocked(weight) || (summand !== undefined && !this.#hasPlainForm(summand))) return false;
    const steps: { operator: string; others: string[]; attributes?: ModelNode["attributes"] }[] = [];
    const { shape: imageShape } = this.#values.get(this.#name(image))!;
    const perGroup = attributes.group === 1 ? imageShape[1]! : shape[1]!;
    const kernel = this.#unblock(weight, `${output}_weight`, inBlocks, perGroup);
    const others = bias === undefined ? [kernel] : [kernel, bias];
    steps.push({ operator: "Conv", others, attributes });
    if (summand !== undefined) steps.push({ operator: "Add", others: [this.#name(summand)] });
    if (activation === "Relu") steps.push({ operator: "Relu", others: [] });
    else if (activation === "Clip") {
      const numbers = (limits as { floats: readonly number[] }).floats;
      const names = numbers.map((limit, i) => this.#constant(`${output}_limit${i}`, scalar(limit)));
      steps.push({ operator: "Clip", others: names });
    } else if (activation !== undefined) return false;
    let current = this.#name(image);
    steps.forEach(({ operator, others, attributes = {} }, i) => {
      const to = i === steps.length - 1 ? output : `${output}_step${i}`;
      this.#push(operator, [current, ...others], to, node.outputValues[0]!, attributes, node.name);
      current = to;
    });
    this.#setBlocked(output);
    return true;
  }

  /** A kernel in ONNX's order, [out, in, height, width], without the input channels that its last block is filled up with. */
  #unblock(weight: string, to: string, inBlocks: boolean, inputs: number): string {
    const block = blockSize();
    const { shape } = this.#values.get(weight)!;
    const [out, perGroup, height, width] = shape as [number, number, number, number];
    const [blocks, perm] = inBlocks
      ? [
          [out / block, perGroup / block, height * width, block, block],
          [0, 4, 1, 3, 2],
        ]
      : [
          [out / block, perGroup * height * width, block],
          [0, 2, 1],
        ];
    const steps = ["blocks", "turned", "filled"].map((step) => `${to}_${step}`) as [string, string, string];
    const lengths = this.#constant(`${to}_lengths`, int64s(blocks));
    const target = this.#constant(`${to}_shape`, int64s(shape));
    const turned = perm.map((axis) => blocks[axis]!);
    this.#push("Reshape", [weight, lengths], steps[0], new Value(blocks, "float32"));
    this.#push("Transpose", [steps[0]], steps[1], new Value(turned, "float32"), { perm });
    this.#push("Reshape", [steps[1], target], steps[2], new Value(shape, "float32"));
    if (inputs === perGroup) return steps[2];
    const cut = [0, inputs, 1].map((number, i) => this.#constant(`${to}_cut${i}`, int64s([number])));
    const cutShape = [out, inputs, height, width];
    this.#push("Slice", [steps[2], ...cut], to, new Value(cutShape, "float32"));
    return to;
  }

  #push(
    operator: string,
    inputs: string[],
    output: string,
    value: Value,
    attributes: ModelNode["attributes"] = {},
    name?: string,
  ): void {
    const named = name === undefined ? {} : { name: `${name}/${operator}` };
    this.nodes.push({ ...named, operator, inputs, outputs: [output], outputValues: [value], attributes });
  }

  /** Whether it is known how a value lies beside blocked pictures: what was made of weights alone may be in blocks. */
  #hasPlainForm(name: string): boolean {
    const value = this.#values.get(name)!;
    return this.isBlocked(name) || value.size === 1 || isPoint(value);
  }

  #constant(name: string, value: Value): string {
    this.constants.push({ name, value });
    return name;
  }

  #name(name: string): string {
    return this.#plain.get(name) ?? name;
  }

  /** A picture of one point is the same with blocks and without. */
  #setBlocked(name: string): void {
    if (!isPoint(this.#values.get(name)!)) this.#plain.set(name, name);
  }
}

function isPoint({ shape }: Value): boolean {
  return shape.length === 4 && shape[2] === 1 && shape[3] === 1;
}
