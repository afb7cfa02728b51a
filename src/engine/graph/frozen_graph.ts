/**
 * Inference runs one graph over and over with weights that do not change. After a few such runs the graph is compiled
 * again with its weights as constants, which ONNX Runtime lays out, folds and fuses once and for all.
 */
import { Session, type OrtArray } from "../runtime/index.js";
import { encodeModel, type ModelNode, type NamedValue } from "./onnx_model.js";
import { Value } from "./value.js";

/** Runs with the same weights after which they count as constants. */
const STEADY_RUNS = 16;

/** A model's bytes must stay below 2 GiB. */
const MAX_WEIGHT_BYTES = 2 ** 30;

/** A graph without the arrays that it ran on. */
export interface Model {
  readonly nodes: readonly ModelNode[];
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
  readonly constants: readonly NamedValue[];
}

export class FrozenGraph {
  readonly #model: Model;
  #steadyRuns = 0;
  /** The weights of the last run, with their versions. */
  #weights: { value: Value; version: number }[] = [];
  #session: Session | undefined;

  constructor(model: Model) {
    this.#model = model;
  }

  /**
   * Takes note of a run.
   * @param compile makes a session, and counts it
   * @returns the session with the weights as constants, and what it wants to be fed; undefined while they change
   */
  sessionFor(
    feeds: readonly Value[],
    compile: (model: Uint8Array) => Session,
  ): { session: Session; inputs: OrtArray[] } | undefined {
    const weights = feeds.filter(({ isWeight }) => isWeight);
    const isSteady =
      weights.length > 0 &&
      weights.length === this.#weights.length &&
      weights.every((value, i) => {
        const before = this.#weights[i]!;
        return before.value === value && before.version === value.version;
      });
    if (!isSteady) {
      this.dispose();
      this.#steadyRuns = 0;
      this.#weights = weights.map((value) => ({ value, version: value.version }));
      return undefined;
    }
    this.#steadyRuns++;
    if (this.#steadyRuns < STEADY_RUNS) return undefined;
    const bytes = weights.reduce((sum, { array }) => sum + array!.byteLength, 0);
    if (bytes > MAX_WEIGHT_BYTES) return undefined;
    this.#session ??= compile(this.#encode(feeds));
    return {
      session: this.#session,
      inputs: feeds.filter(({ isWeight }) => !isWeight).map(({ array }) => array!),
    };
  }

  dispose(): void {
    this.#session?.dispose();
    this.#session = undefined;
  }

  #encode(feeds: readonly Value[]): Uint8Array {
    const { nodes, inputs, outputs, constants } = this.#model;
    const frozen = inputs.flatMap(({ name }, i) => (feeds[i]!.isWeight ? [{ name, value: feeds[i]! }] : []));
    const free = inputs.filter((_, i) => !feeds[i]!.isWeight);
    return encodeModel(nodes, free, outputs, [...constants, ...frozen]);
  }
}
