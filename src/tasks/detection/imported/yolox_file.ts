/** The ONNX file of a YOLOX network: the given one up to its last convolutions, with the weights of now. */
import * as tf from "@tensorflow/tfjs-core";
import { layersBefore } from "../../../backbones/index.js";
import type { AnyModule, Conv2d, Module } from "../../../nn/index.js";
import {
  encodeOnnx,
  OnnxModule,
  withWeights,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
} from "../../../onnx/index.js";
import type { YoloxStructure } from "./yolox_structure.js";

/** Without the numbers of weights: those are the network's, and none is in memory twice. */
export class YoloxFile {
  readonly #model: OnnxModel;
  readonly #names: readonly ClassNames[];

  /** @param weights the names of the initializers that the network has as parameters */
  constructor(model: OnnxModel, { classConvolutions, places }: YoloxStructure, weights: ReadonlySet<string>) {
    const names = classConvolutions.map(({ node }, i) => ({
      features: node.inputs[0]!,
      weight: `classes.${i}.weight`,
      bias: `classes.${i}.bias`,
    }));
    const own = new Map(
      classConvolutions.map(({ node }, i): [OnnxNode, OnnxNode] => {
        const { features, weight, bias } = names[i]!;
        return [node, { ...node, inputs: [features, weight, bias] }];
      }),
    );
    const outputs = [
      ...classConvolutions.map(({ node }) => node.outputs[0]!),
      ...places.flatMap(({ boxes, objectness }) => [boxes, objectness]),
    ];
    const nodes = neededFor(outputs, model.graph.nodes).map((node) => own.get(node) ?? node);
    const used = new Set(nodes.flatMap(({ inputs }) => inputs));
    const initializers = new Map<string, OnnxTensor>();
    for (const [name, tensor] of model.graph.initializers) {
      if (!used.has(name)) continue;
      initializers.set(
        name,
        weights.has(name)
          ? { ...tensor, data: new Float32Array(0) }
          : { ...tensor, data: tensor.data.slice() },
      );
    }
    classConvolutions.forEach(({ weight }, i) => {
      const data = new Float32Array(0);
      const [ofWeight, ofBias] = [names[i]!.weight, names[i]!.bias];
      initializers.set(ofWeight, { ...weight, name: ofWeight, data });
      initializers.set(ofBias, { ...weight, name: ofBias, shape: [weight.shape[0]!], data });
    });
    const unknown = { kind: "tensor", type: "float32", shape: undefined } as const;
    const graph = {
      ...model.graph,
      nodes,
      initializers,
      inputs: model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name)).map(anySize),
      outputs: outputs.map((name) => ({ name, type: unknown, docString: "" })),
      valueInfo: [],
    };
    this.#model = { ...model, graph };
    this.#names = names;
  }

  /** The layers of the network whose maps have places of `stride` pixels at most, for pictures of this size. */
  earlyLayers(
    network: OnnxModule,
    { imageSize, stride }: { imageSize: number; stride: number },
  ): AnyModule[] {
    const model = withZeros(this.#model);
    const { nodes, outputs } = model.graph;
    const ends = new Set(outputs.map(({ name }) => name));
    const names = nodes.flatMap((node) => node.outputs).filter((name) => name !== "" && !ends.has(name));
    const whole = new OnnxModule(model, { outputs: names }).eval();
    let last: string | undefined;
    tf.tidy(() => {
      const maps = whole.forward(tf.zeros([1, 3, imageSize, imageSize]));
      last = names.findLast((name) => {
        const { shape } = maps[name]!;
        return shape.length === 4 && shape[2] * stride >= imageSize;
      });
    });
    whole.dispose();
    return last === undefined ? [] : layersBefore(network, model, last);
  }

  /** @param classes the convolution of the classes behind each tensor of features */
  encode(network: Module<never, unknown>, classes: ReadonlyMap<string, Conv2d>): Uint8Array {
    // The weights are float32 initializers, or the file would not have been taken.
    const model = withWeights(this.#model, network)!;
    const initializers = new Map(model.graph.initializers);
    for (const { features, weight, bias } of this.#names) {
      const convolution = classes.get(features)!;
      for (const [name, parameter] of [
        [weight, convolution.weight],
        [bias, convolution.bias!],
      ] as const) {
        const data = parameter.dataSync<"float32">();
        initializers.set(name, { name, type: "float32", shape: parameter.shape, data, docString: "" });
      }
    }
    return encodeOnnx({ ...model, graph: { ...model.graph, initializers } });
  }
}

/** With numbers in the place of those that are left out, so that its shapes can be computed. */
function withZeros(model: OnnxModel): OnnxModel {
  const initializers = new Map(
    Array.from(model.graph.initializers, ([name, tensor]): [string, OnnxTensor] => {
      const size = tensor.shape.reduce((product, length) => product * length, 1);
      return [name, tensor.data.length === size ? tensor : { ...tensor, data: new Float32Array(size) }];
    }),
  );
  return { ...model, graph: { ...model.graph, initializers } };
}

interface ClassNames {
  features: string;
  weight: string;
  bias: string;
}

/** In their order. */
function neededFor(outputs: readonly string[], nodes: readonly OnnxNode[]): OnnxNode[] {
  const needed = new Set(outputs);
  const kept = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  return kept.reverse();
}

/** Pictures of any number; their size stays, for it is what the network was made for. */
function anySize(info: OnnxModel["graph"]["inputs"][number]): OnnxModel["graph"]["inputs"][number] {
  if (info.type.kind !== "tensor" || info.type.shape === undefined) return info;
  const [, ...rest] = info.type.shape;
  return { ...info, type: { ...info.type, shape: ["batch", ...rest] } };
}
