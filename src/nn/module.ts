/** Module: the base of everything with parameters. It finds its parts by looking at its own properties. */
import type * as tf from "@tensorflow/tfjs-core";
import type { HostTensor } from "../host_tensor.js";
import { ModuleBuffer, Parameter } from "./parameter.js";
import { applyState, type LoadStateOptions, type LoadStateResult } from "./state_dict.js";

export { ModuleBuffer, Parameter };

/** A module whatever it takes and gives. */
export type AnyModule = Module<never, unknown>;

/**
 * A function with parameters. Parameters, buffers and submodules are the own properties that hold one, or an array of
 * them, in the order of declaration. Their names are PyTorch's: `runningMean` is `running_mean`, the second module of
 * the array `layers` is `layers.1`; a name that begins with a capital stays as it is. Properties with a `#` are invisible.
 */
export abstract class Module<Input = tf.Tensor, Output = tf.Tensor> {
  /** Whether dropout drops and batch norm uses the batch's statistics. Set by `train()` and `eval()`. */
  training = true;

  abstract forward(input: Input): Output;

  /** Every parameter once, with its name from here: `features.0.weight`. */
  *namedParameters(): Generator<[string, Parameter]> {
    yield* this.#namedTensors(Parameter);
  }

  parameters(): Parameter[] {
    return Array.from(this.namedParameters(), ([, parameter]) => parameter);
  }

  /** Every buffer once, with its name from here. */
  *namedBuffers(): Generator<[string, ModuleBuffer]> {
    yield* this.#namedTensors(ModuleBuffer);
  }

  /** This module under the empty name, then every module below it once. */
  *namedModules(): Generator<[string, AnyModule]> {
    for (const { name, module } of uniqueOccurrences(this)) yield [name, module];
  }

  /** The modules directly below this one. */
  *namedChildren(): Generator<[string, AnyModule]> {
    for (const [name, value] of this.#parts()) if (value instanceof Module) yield [name, value];
  }

  /** Switches this module and all below it to training, or with `false` to evaluation. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Switches this module and all below it to evaluation. */
  eval(): this {
    return this.train(false);
  }

  /** All parameters and buffers by name. The tensors are the module's own, not copies. */
  stateDict(): Record<string, Parameter | ModuleBuffer> {
    const state: Record<string, Parameter | ModuleBuffer> = {};
    for (const { prefix, module } of occurrences(this)) {
      for (const [name, value] of module.#parts()) {
        if (!(value instanceof Module)) state[join(prefix, name)] = value;
      }
    }
    return state;
  }

  /**
   * Sets parameters and buffers by name. Nothing changes if it throws.
   *
   * @param options.strict whether a key that is missing or not expected is an error. Default: true. A tensor of the wrong
   * shape always is.
   * @throws CheckpointError naming every key that does not fit
   */
  loadStateDict(
    state: Readonly<Record<string, tf.Tensor | HostTensor>>,
    options: LoadStateOptions = {},
  ): LoadStateResult {
    return applyState(this.constructor.name, this.stateDict(), state, options);
  }

  /** Frees all parameters and buffers now. The module cannot be used any more. */
  dispose(): void {
    for (const tensor of Object.values(this.stateDict())) tensor.dispose();
  }

  /** What this module is made of, by name: its properties. Containers name their parts themselves. */
  protected parts(): Iterable<[string, unknown]> {
    return Object.entries(this).map(([property, value]) => [snakeCase(property), value]);
  }

  /** Whether tensors of this module are named as if they were its parent's, without this module's own name. */
  protected get namesTensorsForParent(): boolean {
    return false;
  }

  /** The modules, parameters and buffers among the parts, with their names. */
  *#parts(): Generator<[string, AnyModule | Parameter | ModuleBuffer]> {
    for (const [name, value] of this.parts()) {
      if (isPart(value)) yield [name, value];
      else if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) if (isPart(value[i])) yield [`${name}.${i}`, value[i]];
      }
    }
  }

  *#namedTensors<T extends object>(kind: abstract new (...args: never) => T): Generator<[string, T]> {
    const seen = new Set<T>();
    for (const { prefix, module } of uniqueOccurrences(this)) {
      for (const [name, value] of module.#parts()) {
        if (!(value instanceof kind) || seen.has(value)) continue;
        seen.add(value);
        yield [join(prefix, name), value];
      }
    }
  }
}

function isPart(value: unknown): value is AnyModule | Parameter | ModuleBuffer {
  return value instanceof Module || value instanceof Parameter || value instanceof ModuleBuffer;
}

/** A module in a tree, with its own name and what the names of its tensors begin with. */
interface Occurrence {
  readonly name: string;
  readonly prefix: string;
  readonly module: AnyModule;
}

/** A module and all below it, a shared one under each of its names. */
function* occurrences(module: AnyModule, name = "", parentPrefix = ""): Generator<Occurrence> {
  const prefix = module["namesTensorsForParent"] ? parentPrefix : name;
  yield { name, prefix, module };
  for (const [childName, child] of module.namedChildren()) {
    yield* occurrences(child, join(name, childName), prefix);
  }
}

/** As `occurrences`, each module once. */
function* uniqueOccurrences(module: AnyModule): Generator<Occurrence> {
  const seen = new Set<AnyModule>();
  for (const occurrence of occurrences(module)) {
    if (seen.has(occurrence.module)) continue;
    seen.add(occurrence.module);
    yield occurrence;
  }
}

function join(prefix: string, name: string): string {
  return prefix === "" ? name : `${prefix}.${name}`;
}

function snakeCase(property: string): string {
  if (/^[A-Z]/.test(property)) return property;
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
