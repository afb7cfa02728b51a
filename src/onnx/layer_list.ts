/** Which of a model's nodes become layers: modules that own tensors, and that are frozen and freed one by one. */
import { ModuleBuffer } from "../nn/index.js";
import type { FlatNode } from "./graph/flatten.js";
import { OnnxBatchNorm, OnnxLayer, type LayerOptions, type NamedTensor } from "./onnx_layer.js";
import { EVALUATION, operatorKey, type LayerMode } from "./operators/context.js";

/** Operators that compute something else in training, so that freezing a part must reach them. */
const MODAL = new Set(["BatchNormalization", "Dropout"]);

/** With tensors of their own, these belong to the layer that they follow: its bias or scale. */
const CONTINUATIONS = new Set(["Add", "Sub", "Mul", "Div"]);

/**
 * Makes a layer of each node that owns tensors or has modes, but for the addition of a bias, which joins the product before
 * it. A tensor belongs to the first node that uses it.
 */
export class LayerList {
  /** Layers with their names, in the order in which they run. */
  readonly layers: [string, OnnxLayer][] = [];
  readonly #names = new Set<string>();
  /** Tensors that no layer has yet. */
  readonly #free: Map<string, NamedTensor>;
  readonly #tensors: ReadonlyMap<string, NamedTensor>;
  readonly #options: LayerOptions;
  /** The layer that gives a value. */
  readonly #givers = new Map<string, OnnxLayer>();

  /** @param tensors by the names of their values */
  constructor(tensors: ReadonlyMap<string, NamedTensor>, options: LayerOptions) {
    this.#free = new Map(tensors);
    this.#tensors = tensors;
    this.#options = options;
  }

  /** To be called once for each node, in the order in which they run. */
  modeOf(node: FlatNode): LayerMode {
    const own = [...new Set(node.inputs)].flatMap((name) => {
      const tensor = this.#free.get(name);
      this.#free.delete(name);
      return tensor === undefined ? [] : [tensor];
    });
    const key = operatorKey(node);
    if (own.length === 0 && !MODAL.has(key)) return EVALUATION;
    const before = node.inputs.map((name) => this.#givers.get(name)).find((layer) => layer !== undefined);
    const layer =
      CONTINUATIONS.has(key) && before !== undefined ? before.add(own) : this.#newLayer(node, own);
    for (const output of node.outputs) if (!(layer instanceof OnnxBatchNorm)) this.#givers.set(output, layer);
    return layer;
  }

  #newLayer(node: FlatNode, own: NamedTensor[]): OnnxLayer {
    const layer = this.#batchNorm(node, own) ?? new OnnxLayer(own, this.#options);
    this.layers.push([this.#nameOf(node), layer]);
    return layer;
  }

  #batchNorm(node: FlatNode, own: NamedTensor[]): OnnxBatchNorm | undefined {
    if (operatorKey(node) !== "BatchNormalization") return undefined;
    const [mean, variance] = [3, 4].map((position) => this.#tensors.get(node.inputs[position] ?? "")?.[1]);
    if (!(mean instanceof ModuleBuffer && variance instanceof ModuleBuffer)) return undefined;
    const momentum = node.attributes.get("momentum");
    const kept = momentum?.kind === "float" ? momentum.value : 0.9;
    return new OnnxBatchNorm(own, { mean, variance, momentum: 1 - kept }, this.#options);
  }

  #nameOf({ name, operator }: FlatNode): string {
    const base = name || `${operator}_${this.layers.length}`;
    let unique = base;
    for (let i = 2; this.#names.has(unique); i++) unique = `${base}#${i}`;
    this.#names.add(unique);
    return unique;
  }
}
