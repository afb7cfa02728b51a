/**
 * Finds the first number of a training step that is not finite, as Lightning's `detect_anomaly` does with PyTorch's anomaly
 * mode, and names the module that made it.
 */
import * as tf from "@tensorflow/tfjs-core";
import { observeForward } from "../../nn/observe_forward.js";
import type { AnyModule } from "../../nn/index.js";
import type { Precision } from "../strategies/index.js";
import { isTensor, mapNested } from "../../nested.js";
import { AnomalyError } from "./anomaly_error.js";

/** One place that numbers passed through, in the order of time. */
interface Sighting {
  readonly name: string;
  readonly module: AnyModule;
  readonly of: "input" | "output" | "output gradient" | "input gradient";
  /** Whether all of them are finite: a bool scalar, kept from scopes. */
  readonly isFinite: tf.Tensor;
}

export class AnomalyDetector {
  readonly #root: AnyModule;
  readonly #checksGradients: boolean;

  /**
   * @param root whose modules are watched
   * @param precision where it skips steps whose gradients are not finite, gradients are left to it
   */
  constructor(root: AnyModule, precision: Precision) {
    this.#root = root;
    this.#checksGradients = !precision.skipsNonFiniteSteps;
  }

  /**
   * Runs a forward and a backward pass, looking on.
   *
   * @param step runs both and returns the loss
   * @throws AnomalyError `ERR_ANOMALY` for the first output of a module that is not finite, or else the first gradient
   */
  watch(batchIdx: number, step: () => tf.Scalar): tf.Scalar {
    const sightings: Sighting[] = [];
    const see = (name: string, module: AnyModule, of: Sighting["of"], tensor: tf.Tensor) => {
      const isFinite = tf.tidy(() => tf.keep(tf.all(tf.isFinite(tensor))));
      sightings.push({ name, module, of, isFinite });
    };
    try {
      const loss = observeForward(
        this.#root,
        {
          onInput: (name, module, input) => {
            for (const tensor of floatsIn(input)) see(name, module, "input", tensor);
            return this.#onGradient(input, (gradient) => see(name, module, "input gradient", gradient));
          },
          onOutput: (name, module, output) => {
            for (const tensor of floatsIn(output)) see(name, module, "output", tensor);
            return this.#onGradient(output, (gradient) => see(name, module, "output gradient", gradient));
          },
        },
        step,
      );
      this.#check(batchIdx, sightings, loss);
      return loss;
    } finally {
      for (const { isFinite } of sightings) isFinite.dispose();
    }
  }

  /** The same values, whose gradient is seen on its way back. */
  #onGradient(values: unknown, see: (gradient: tf.Tensor) => void): unknown {
    if (!this.#checksGradients) return values;
    return mapNested(values, (leaf) => (isFloat(leaf) ? seenOnTheWayBack(leaf, see) : leaf));
  }

  #check(batchIdx: number, sightings: readonly Sighting[], loss: tf.Tensor): void {
    const bad = read(sightings.map(({ isFinite }) => isFinite)).flatMap((fine, i) =>
      fine ? [] : [sightings[i]!],
    );
    const first = bad.find(({ of }) => of === "input" || of === "output");
    if (first !== undefined) throw forwardError(batchIdx, first);
    const [lossIsFinite] = read([tf.tidy(() => tf.all(tf.isFinite(loss)))]);
    if (!lossIsFinite) {
      throw new AnomalyError(
        { module: undefined, pass: "forward", batchIdx },
        "the loss",
        "No module made that, but what trainingStep does with their outputs: look for a division, a logarithm or a batch " +
          "whose targets are not finite.",
      );
    }
    if (!this.#checksGradients) return;
    const gradient = bad[0];
    if (gradient !== undefined) throw backwardError(batchIdx, gradient);
    this.#checkParameters(batchIdx);
  }

  /** What reaches a parameter and nothing else on the way back. The last module of the forward pass is the first of the other. */
  #checkParameters(batchIdx: number): void {
    const named = [...this.#root.namedParameters()].filter(([, { grad }]) => grad !== null).reverse();
    const fine = read(named.map(([, { grad }]) => tf.tidy(() => tf.all(tf.isFinite(grad!)))));
    const index = fine.indexOf(false);
    if (index === -1) return;
    const [name, parameter] = named[index]!;
    const owner = [...this.#root.namedModules()].findLast(([, module]) =>
      module.parameters().includes(parameter),
    );
    throw new AnomalyError(
      { module: owner?.[0], pass: "backward", batchIdx },
      `the gradient of the parameter ${name}`,
      "The gradients that reach its module are finite: look for inputs that are very large.",
    );
  }
}

function forwardError(batchIdx: number, { name, module, of }: Sighting): AnomalyError {
  if (of === "input") {
    return new AnomalyError(
      { module: undefined, pass: "forward", batchIdx },
      `the input of ${describe(name, module)}`,
      "No module made that: look at the batch, and at what is done with it before this module.",
    );
  }
  return new AnomalyError(
    { module: name, pass: "forward", batchIdx },
    `the output of ${describe(name, module)}`,
    "Look at what it is given: a logarithm or root of what may be zero or negative, a division by zero, weights that grew too large.",
  );
}

function backwardError(batchIdx: number, { name, module, of }: Sighting): AnomalyError {
  if (of === "input gradient") {
    return new AnomalyError(
      { module: name, pass: "backward", batchIdx },
      `the gradient that ${describe(name, module)} gives to its input`,
      "The gradient it is given is finite: look for a root at zero, a division, or a power of zero in its forward pass.",
    );
  }
  return new AnomalyError(
    { module: undefined, pass: "backward", batchIdx },
    `the gradient that reaches the output of ${describe(name, module)}`,
    "No module made that, but what is done with this output outside of modules, up to the loss: look for a root at zero or a division.",
  );
}

function describe(name: string, module: AnyModule): string {
  return name === "" ? `${module.constructor.name} itself` : `${name} (${module.constructor.name})`;
}

function isFloat(value: unknown): value is tf.Tensor {
  return isTensor(value) && value.dtype === "float32";
}

function floatsIn(values: unknown): tf.Tensor[] {
  const found: tf.Tensor[] = [];
  mapNested(values, (leaf) => (isFloat(leaf) ? found.push(leaf) : undefined));
  return found;
}

function seenOnTheWayBack(tensor: tf.Tensor, see: (gradient: tf.Tensor) => void): tf.Tensor {
  const identity = tf.customGrad((x) => ({
    value: tf.clone(x as tf.Tensor),
    gradFunc: (gradient: tf.Tensor) => {
      see(gradient);
      return tf.clone(gradient);
    },
  }));
  return identity(tensor);
}

/** Reads scalars at once, and frees those that no scope has. */
function read(flags: readonly tf.Tensor[]): boolean[] {
  if (flags.length === 0) return [];
  return tf.tidy(() => Array.from(tf.stack([...flags]).dataSync(), (flag) => flag === 1));
}
