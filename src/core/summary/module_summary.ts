/** What a module is made of: its layers, their parameters, and with an example input their shapes and cost. */
import * as tf from "@tensorflow/tfjs-core";
import { markStep } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import { observeForward } from "../../nn/observe_forward.js";
import type { AnyModule } from "../../nn/index.js";
import { isPlainObject, isTensor } from "../../nested.js";
import { toDevice } from "../to_device.js";
import { flopsOf } from "./flops.js";
import { formatSummary } from "./format_summary.js";

/** The shape of a tensor, or those in an array or object; "?" for anything else. */
export type ShapeSummary = readonly number[] | string | { readonly [name: string]: ShapeSummary };

/** One layer of a `ModuleSummary`. */
export interface LayerSummary {
  /** From the module: `features.0`. */
  name: string;
  /** The class. */
  type: string;
  /** Numbers in the parameters of the layer and all below it. */
  parameters: number;
  trainableParameters: number;
  mode: "train" | "eval";
  /** Of the first call with the example input; missing without one, and for a layer that was not called. */
  inputShape?: ShapeSummary;
  outputShape?: ShapeSummary;
  /** Floating-point operations of the layer and all below it for the example input. */
  flops?: number;
}

/** Options of `summary`. */
export interface SummaryOptions {
  /** Levels of layers to list; -1 for all, 0 for the totals alone. Default: 1. */
  maxDepth?: number;
}

/** The totals count a parameter that several layers share once. */
export interface ModuleSummary {
  layers: LayerSummary[];
  parameters: number;
  trainableParameters: number;
  nonTrainableParameters: number;
  /** Of the parameters, in 10⁶ bytes. */
  sizeMb: number;
  modulesInTrainMode: number;
  modulesInEvalMode: number;
  flops?: number;
  /** The table that is printed. */
  toString(): string;
}

/** What the forward pass has told of one layer. */
interface Trace {
  input: ShapeSummary;
  output: ShapeSummary;
  flops: number;
}

/**
 * @param exampleInput what `forward` takes: a tensor or HostTensor, or those in arrays and objects
 * @throws ConfigurationError `ERR_SUMMARY` for another maxDepth than an integer from -1
 */
export function summarize(
  module: AnyModule,
  exampleInput: unknown,
  { maxDepth = 1 }: SummaryOptions = {},
): ModuleSummary {
  if (!Number.isInteger(maxDepth) || maxDepth < -1) {
    throw new ConfigurationError(
      "ERR_SUMMARY",
      `summary's maxDepth is a count of levels, 0 for totals alone or -1 for all levels, not ${maxDepth}.`,
    );
  }
  const traces = exampleInput === undefined ? undefined : traceForward(module, exampleInput);
  const modules = [...module.namedModules()];
  const listed = modules.filter(([name]) => name !== "" && isListed(name, maxDepth, modules));
  const own = modules.filter(([name]) => name !== "").map(([, part]) => part.training);
  const counts = countParameters(module);
  const summary: Omit<ModuleSummary, "toString"> = {
    layers: listed.map(([name, layer]) => describeLayer(name, layer, traces)),
    ...counts,
    nonTrainableParameters: counts.parameters - counts.trainableParameters,
    sizeMb: (counts.parameters * Float32Array.BYTES_PER_ELEMENT) / 1e6,
    modulesInTrainMode: own.filter((training) => training).length,
    modulesInEvalMode: own.filter((training) => !training).length,
    ...(traces && { flops: flopsBelow("", traces) }),
  };
  return { ...summary, toString: () => formatSummary(summary) };
}

/** Depth counts modules, not dots: the members of an array of modules are one level below its owner. */
function isListed(name: string, maxDepth: number, modules: readonly [string, AnyModule][]): boolean {
  if (maxDepth === -1) return true;
  const above = modules.filter(([other]) => other !== "" && name.startsWith(`${other}.`));
  return above.length < maxDepth;
}

function describeLayer(
  name: string,
  layer: AnyModule,
  traces: ReadonlyMap<string, Trace> | undefined,
): LayerSummary {
  const trace = traces?.get(name);
  return {
    name,
    type: layer.constructor.name,
    ...countParameters(layer),
    mode: layer.training ? "train" : "eval",
    ...(trace && { inputShape: trace.input, outputShape: trace.output }),
    ...(traces && { flops: flopsBelow(name, traces) }),
  };
}

function countParameters(module: AnyModule): { parameters: number; trainableParameters: number } {
  const all = module.parameters();
  const sizeOf = (parameters: typeof all) => parameters.reduce((sum, { size }) => sum + size, 0);
  return {
    parameters: sizeOf(all),
    trainableParameters: sizeOf(all.filter(({ requiresGrad }) => requiresGrad)),
  };
}

function flopsBelow(name: string, traces: ReadonlyMap<string, Trace>): number {
  let flops = 0;
  for (const [other, trace] of traces) {
    if (name === "" || other === name || other.startsWith(`${name}.`)) flops += trace.flops;
  }
  return flops;
}

/** One forward pass in eval mode, which leaves nothing behind. */
function traceForward(module: AnyModule, exampleInput: unknown): Map<string, Trace> {
  const traces = new Map<string, Trace>();
  const inputs: ShapeSummary[] = [];
  const observer = {
    onInput: (_name: string, _module: AnyModule, input: unknown) => {
      inputs.push(shapesOf(input));
      return input;
    },
    onOutput: (name: string, layer: AnyModule, output: unknown) => {
      const input = inputs.pop()!;
      const shape = shapesOf(output);
      const flops = isTensor(output) ? flopsOf(layer, output.shape) : 0;
      const known = traces.get(name);
      if (known === undefined) traces.set(name, { input, output: shape, flops });
      else known.flops += flops;
      return output;
    },
  };
  inEvalMode(module, () => {
    tf.tidy(() => {
      observeForward(module, observer, () => module.forward(toDevice(exampleInput) as never));
    });
    markStep();
  });
  return traces;
}

function shapesOf(value: unknown): ShapeSummary {
  if (isTensor(value)) return value.shape;
  if (!Array.isArray(value) && !isPlainObject(value)) return "?";
  const entries = Object.entries(value).map(([name, item]) => [name, shapesOf(item)] as const);
  return Object.fromEntries(entries);
}
