/** What all optimizers share: groups of parameters, the step, and the saved state. */
import * as tf from "@tensorflow/tfjs-core";
import { sharesMemory } from "../../engine/common_array.js";
import { InPlaceUpdate } from "../../engine/in_place_update.js";
import { CheckpointError, ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { hostToTensor, Parameter } from "../parameter.js";
import { atLeastZero, checkGroupOptions, type OptionRange } from "./group_options.js";
import { formatShape } from "../shape_checks.js";

/** Parameters that are trained with the same options. The options may be changed between steps. */
export type ParamGroup<Options> = Options & {
  params: Parameter[];
  /** What callbacks and logs call the group. */
  name?: string;
  /** The learning rate that a schedule scales; set by the first schedule. */
  initialLr?: number;
};

/** A group as it is given: options that are left out are the optimizer's. */
export type ParamGroupOptions<Options> = Partial<Options> & { params: Iterable<Parameter>; name?: string };

/** What an optimizer can be made for. */
export type OptimizerParameters<Options> = Iterable<Parameter> | Iterable<ParamGroupOptions<Options>>;

/** The tensors that an optimizer keeps for each parameter, by name. */
export type Slots<Slot extends string = string> = Record<Slot, tf.Tensor>;

/** Computes the next value of a parameter and of its slots. */
export type UpdateRule<Slot extends string> = (
  value: tf.Tensor,
  grad: tf.Tensor,
  slots: Slots<Slot>,
) => { value: tf.Tensor; slots: Slots<Slot> };

/** An optimizer's memory. Parameters are numbered through all groups. */
export interface OptimizerState {
  /** `<parameter>.<slot>` to the slot. From `stateDict()`: the optimizer's own, valid until its next step. */
  tensors: Record<string, tf.Tensor | HostTensor>;
  /** The steps each parameter has had. */
  steps: Record<string, number>;
  /** The options of each group, with the numbers of its parameters. */
  paramGroups: (Record<string, unknown> & { params: number[] })[];
}

/** A parameter whose turn it is. */
interface Due<Slot extends string> {
  parameter: Parameter;
  grad: tf.Tensor;
  state: ParameterState<Slot>;
}

/** Parameters of a group that are all at the same step. */
interface Update<Options, Slot extends string> {
  group: ParamGroup<Options>;
  step: number;
  /** What all of their gradients are still to be multiplied by. */
  factor: tf.Scalar | undefined;
  items: Due<Slot>[];
}

interface ParameterState<Slot extends string> {
  step: number;
  slots: Slots<Slot>;
}

/**
 * `new AdamW([{ params: backbone.parameters(), lr: 1e-5, name: "backbone" }, { params: head.parameters() }], { lr: 1e-3 })`
 * trains two groups; what a group leaves out is the optimizer's.
 */
export abstract class Optimizer<
  Options extends { lr: number } = { lr: number },
  Slot extends string = string,
> {
  readonly paramGroups: ParamGroup<Options>[] = [];
  readonly #defaults: Options;
  readonly #states = new Map<Parameter, ParameterState<Slot>>();
  /** By the first of the parameters that are updated together. */
  readonly #inPlace = new Map<Parameter, InPlaceUpdate<Slot>>();

  /**
   * @param params parameters, or groups of them with options of their own
   * @throws ConfigurationError `ERR_NO_PARAMETERS` if there are none, `ERR_DUPLICATE_PARAMETER` if one is in two groups,
   * `ERR_PARAM_GROUP` for a group that is none, `ERR_OPTIMIZER_OPTION` for an option's value that makes no sense
   */
  constructor(params: OptimizerParameters<Options>, defaults: Options) {
    this.#defaults = defaults;
    const given = [...params] as (Parameter | ParamGroupOptions<Options>)[];
    const loose = given.filter((item) => item instanceof Parameter);
    if (loose.length > 0 && loose.length < given.length) {
      throw this.#groupError("both parameters and groups of them. Put the loose ones into a group");
    }
    const groups = loose.length > 0 ? [{ params: loose }] : given;
    for (const group of groups) this.addParamGroup(group as ParamGroupOptions<Options>);
    if (this.#parameters().length === 0) {
      throw new ConfigurationError(
        "ERR_NO_PARAMETERS",
        `${this.constructor.name} was given no parameters. Pass module.parameters() or groups of them.`,
      );
    }
  }

  /** Computes the rule that `step` applies to the parameters of a group at their `step`-th step, counted from 1. */
  protected abstract rule(group: ParamGroup<Options>, step: number): UpdateRule<Slot>;

  /** The slots that a parameter has in a group. */
  protected abstract slotNames(group: ParamGroup<Options>, parameter: Parameter): readonly Slot[];

  /** Default: the parameter's own shape. */
  protected slotShape(_slot: Slot, parameter: Parameter): number[] {
    return parameter.shape;
  }

  /** What every element of a new slot is. Default: 0. */
  protected slotStart(_group: ParamGroup<Options>): number {
    return 0;
  }

  /** The ranges of options beyond the learning rate's, by name. */
  protected get ranges(): Readonly<Record<string, OptionRange>> {
    return {};
  }

  /**
   * Adds parameters, for instance when a frozen part is unfrozen.
   *
   * @throws ConfigurationError as the constructor
   */
  addParamGroup({ params, ...options }: ParamGroupOptions<Options>): void {
    if (typeof params?.[Symbol.iterator] !== "function") {
      throw this.#groupError("a group without params. Give each group { params, … }");
    }
    const group = { ...this.#defaults, ...options, params: [...params] } as unknown as ParamGroup<Options>;
    checkGroupOptions(this.constructor.name, group, this.#defaults, { lr: atLeastZero, ...this.ranges });
    if (!group.params.every((parameter) => parameter instanceof Parameter)) {
      throw this.#groupError("something that is no Parameter. Pass module.parameters() or groups of them");
    }
    const known = new Set(this.#parameters());
    if (
      group.params.some((parameter) => known.has(parameter)) ||
      new Set(group.params).size < group.params.length
    ) {
      throw new ConfigurationError(
        "ERR_DUPLICATE_PARAMETER",
        `${this.constructor.name} was given a parameter twice. Put each into one group, once.`,
      );
    }
    const { name } = group;
    if (name !== undefined && this.paramGroups.some((other) => other.name === name)) {
      throw this.#groupError(`two groups named ${JSON.stringify(name)}. Give each a name of its own`);
    }
    this.paramGroups.push(group);
  }

  #groupError(came: string): ConfigurationError {
    return new ConfigurationError("ERR_PARAM_GROUP", `${this.constructor.name} was given ${came}.`);
  }

  /**
   * Changes every parameter that has a gradient. Reads nothing back. The learning rate and all that depends on the step
   * enter as values, so that every step records the same graph.
   */
  step(): void {
    tf.tidy(() => {
      const updates = this.paramGroups.flatMap((group) => this.#dueUpdates(group));
      if (this.isElementwise && sharesMemory()) this.#updateInPlace(updates);
      else for (const update of updates) this.#update(update);
    });
  }

  /** The parameters of a group that have a gradient, those at the same step together. */
  #dueUpdates(group: ParamGroup<Options>): Update<Options, Slot>[] {
    const due = new Map<number, Due<Slot>[]>();
    const withGrad = group.params.filter(({ hasGrad }) => hasGrad);
    const [first] = withGrad;
    const isShared = withGrad.every(({ gradFactor }) => gradFactor === first?.gradFactor);
    for (const parameter of withGrad) {
      const grad = (isShared ? parameter.rawGrad : parameter.grad)!;
      const state = this.#stateOf(parameter, group);
      state.step++;
      const items = due.get(state.step) ?? [];
      items.push({ parameter, grad, state });
      due.set(state.step, items);
    }
    const factor = isShared ? first?.gradFactor?.tensor : undefined;
    return Array.from(due, ([step, items]) => ({ group, step, factor, items }));
  }

  #updateInPlace(updates: readonly Update<Options, Slot>[]): void {
    const runs = updates.map((due) => {
      const { group, items } = due;
      const [{ parameter }] = items as [Due<Slot>];
      const update =
        this.#inPlace.get(parameter) ?? new InPlaceUpdate<Slot>(this.slotNames(group, parameter));
      this.#inPlace.set(parameter, update);
      const parts = items.map(({ parameter, grad, state }) => ({ parameter, grad, slots: state.slots }));
      update.aim(parts);
      return () => update.run(this.#ruleOf(due), parts);
    });
    for (const run of runs) run();
  }

  /** The rule for gradients as they are, before they are multiplied by their factor. */
  #ruleOf({ group, step, factor }: Update<Options, Slot>): UpdateRule<Slot> {
    const rule = this.rule(group, step);
    if (factor === undefined) return rule;
    return (value, grad, slots) => rule(value, tf.mul(grad, factor), slots);
  }

  #update(due: Update<Options, Slot>): void {
    const rule = this.#ruleOf(due);
    const { group, items } = due;
    for (const { parameter, grad, state } of items) {
      const { value, slots } = rule(parameter, grad, state.slots);
      parameter.assign(value);
      for (const name of this.slotNames(group, parameter)) replaceSlot(state.slots, name, slots[name]);
    }
  }

  /**
   * Whether the rule does the same for every element, whatever the parameter's shape. The engine then changes parameters
   * and slots where they lie. Default: false.
   */
  protected get isElementwise(): boolean {
    return false;
  }

  /** Disposes the gradients of all parameters. */
  zeroGrad(): void {
    for (const parameter of this.#parameters()) parameter.zeroGrad();
  }

  stateDict(): OptimizerState {
    const state: OptimizerState = { tensors: {}, steps: {}, paramGroups: [] };
    const numbers = new Map(this.#parameters().map((parameter, i) => [parameter, i]));
    for (const [parameter, { step, slots }] of this.#states) {
      const number = numbers.get(parameter)!;
      state.steps[number] = step;
      for (const [name, tensor] of slotEntries(slots)) state.tensors[`${number}.${name}`] = tensor;
    }
    state.paramGroups = this.paramGroups.map(({ params, ...options }) => ({
      ...options,
      params: params.map((parameter) => numbers.get(parameter)!),
    }));
    return state;
  }

  /** @throws CheckpointError if the groups, their sizes, or a slot's shape differ; nothing changes then */
  loadStateDict({ tensors, steps, paramGroups }: OptimizerState): void {
    const sizes = this.paramGroups.map((group) => group.params.length);
    const given = paramGroups.map((group) => group.params.length);
    if (!tf.util.arraysEqual(sizes, given)) {
      throw new CheckpointError(
        "ERR_OPTIMIZER_STATE",
        `The state is of an optimizer with parameter groups of sizes ${formatShape(given)}; this one's are ${formatShape(sizes)}. ` +
          "Build the optimizer as it was when the state was saved.",
      );
    }
    const parameters = this.#parameters();
    const owner = new Map(this.paramGroups.flatMap((group) => group.params.map((params) => [params, group])));
    const loaded = Object.keys(steps).map((number) => {
      const parameter = parameters[Number(number)]!;
      const names = this.slotNames(owner.get(parameter)!, parameter);
      for (const name of names) {
        const key = `${number}.${name}`;
        checkSlot(key, tensors[key], this.slotShape(name, parameter));
      }
      return { parameter, number, names };
    });
    this.dispose();
    tf.tidy(() => {
      for (const { parameter, number, names } of loaded) {
        const slots = names.map((name) => [name, tf.keep(ownCopy(tensors[`${number}.${name}`]!))]);
        this.#states.set(parameter, {
          step: steps[number]!,
          slots: Object.fromEntries(slots) as Slots<Slot>,
        });
      }
    });
    this.paramGroups.forEach((group, i) => {
      const { params: _, ...options } = paramGroups[i]!;
      Object.assign(group, options);
    });
  }

  /** Frees the slots. The next step starts from zero. */
  dispose(): void {
    for (const { slots } of this.#states.values())
      for (const [, tensor] of slotEntries(slots)) tensor.dispose();
    this.#states.clear();
    this.#inPlace.clear();
  }

  #parameters(): Parameter[] {
    return this.paramGroups.flatMap((group) => group.params);
  }

  /** The state of a parameter; slots that a change of the group's options has made necessary begin now. */
  #stateOf(parameter: Parameter, group: ParamGroup<Options>): ParameterState<Slot> {
    const state = this.#states.get(parameter) ?? { step: 0, slots: {} as Slots<Slot> };
    this.#states.set(parameter, state);
    const missing = this.slotNames(group, parameter).filter((name) => state.slots[name] === undefined);
    for (const name of missing) {
      const shape = this.slotShape(name, parameter);
      const values = new Float32Array(tf.util.sizeFromShape(shape)).fill(this.slotStart(group));
      state.slots[name] = tf.keep(tf.tensor(values, shape));
    }
    if (missing.length > 0) this.#inPlace.clear();
    return state;
  }
}

function slotEntries(slots: Slots): [string, tf.Tensor][] {
  return Object.entries(slots);
}

function replaceSlot<Slot extends string>(slots: Slots<Slot>, name: Slot, next: tf.Tensor): void {
  if (next === slots[name]) return;
  slots[name].dispose();
  slots[name] = tf.keep(next);
}

function ownCopy(tensor: tf.Tensor | HostTensor): tf.Tensor {
  return tensor instanceof tf.Tensor ? tf.clone(tensor) : hostToTensor(tensor);
}

function checkSlot(key: string, tensor: tf.Tensor | HostTensor | undefined, shape: number[]): void {
  if (tensor !== undefined && tf.util.arraysEqual([...tensor.shape], shape)) return;
  throw new CheckpointError(
    "ERR_OPTIMIZER_STATE",
    `The state's tensor ${key} should be of shape ${formatShape(shape)}, ` +
      (tensor === undefined ? "but is missing." : `but is ${formatShape(tensor.shape)}.`) +
      " Build the optimizer as it was when the state was saved.",
  );
}
