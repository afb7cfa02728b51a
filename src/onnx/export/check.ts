/** Runs what is exported, as another program would, and compares it with the function that it was made of. */
import { OrtArray, Session, type ElementType } from "../../engine/runtime/index.js";
import { engine } from "../../engine/index.js";
import { EngineError, OnnxError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { Lengths, Sample, Subject } from "./subject.js";

/** What a file gives may differ from what the module gives by this share of the largest number in an output. */
const TOLERANCE = 1e-4;

/** Likewise where the module computes in float16. */
const MIXED_TOLERANCE = 2e-2;

/** Smaller weights may change results by this share; beyond it the file is of no use. */
const MAX_LOSS = 0.5;

/** One comparison: what the function is given, and what it gives. Outputs that are not here are not compared. */
export interface Expectation {
  samples: Record<string, Sample>;
  outputs: Partial<Record<string, HostTensor>>;
}

/** How far a file's results are from those of the module that it was made of. */
export interface OnnxDifference {
  /** The largest difference of any number. */
  absolute: number;
  /** That difference as a share of the largest number in the same output. */
  relative: number;
}

/** What the function gives at these lengths. */
export function expectations(subject: Subject, lengths: readonly Lengths[]): Expectation[] {
  return lengths.map((at) => {
    const samples = subject.samplesAt(at);
    return { samples, outputs: subject.compute(samples) };
  });
}

/**
 * @param model the bytes of a file, or its path
 * @param isLossy whether its weights are not the module's
 * @throws OnnxError `ERR_EXPORT_CHECK` where ONNX Runtime does not take or run it, or results differ
 */
export function checkModel(
  model: Uint8Array | string,
  expected: readonly Expectation[],
  isLossy = false,
): OnnxDifference {
  let session: Session | undefined;
  const worst: OnnxDifference = { absolute: 0, relative: 0 };
  try {
    session = new Session(model);
    for (const { samples, outputs } of expected) {
      const inputs = session.inputNames.map((name) => arrayOf(samples[name]!));
      const results = session.run(
        inputs,
        session.outputNames.map(() => undefined),
      );
      for (const [i, name] of session.outputNames.entries()) {
        const output = outputs[name];
        if (output === undefined) continue;
        const { absolute, relative } = compare(name, results[i]!, output, isLossy);
        worst.absolute = Math.max(worst.absolute, absolute);
        worst.relative = Math.max(worst.relative, relative);
      }
    }
  } catch (error) {
    if (error instanceof EngineError) {
      throw new OnnxError("ERR_EXPORT_CHECK", `The exported model cannot be run. ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    session?.dispose();
  }
  return worst;
}

function arrayOf({ dtype, data, shape }: Sample): OrtArray {
  return OrtArray.wrap<ElementType>(dtype, data, shape);
}

function compare(name: string, actual: OrtArray, expected: HostTensor, isLossy: boolean): OnnxDifference {
  if (actual.shape.join() !== expected.shape.join()) {
    refuse(
      name,
      `has the shape [${actual.shape.join(", ")}] where the module gives [${expected.shape.join(", ")}]`,
    );
  }
  const isFloat = expected.dtype === "float32";
  let [absolute, largest, different] = [0, 0, 0];
  for (let i = 0; i < expected.data.length; i++) {
    const [one, other] = [Number(actual.data[i]), expected.data[i]!];
    if (Object.is(one, other) || one === other) {
      if (Number.isFinite(other)) largest = Math.max(largest, Math.abs(other));
      continue;
    }
    different++;
    absolute = Math.max(absolute, Math.abs(one - other));
    largest = Math.max(largest, Math.abs(other));
    if (!Number.isFinite(one - other)) refuse(name, `holds ${one} where the module gives ${other}`);
  }
  if (!isFloat) {
    // The largest of numbers that are almost equal may be another one after rounding.
    if (!isLossy && different > expected.data.length / 100) {
      refuse(name, `differs from the module's in ${different} of ${expected.data.length} places`);
    }
    return { absolute: 0, relative: 0 };
  }
  const relative = absolute / Math.max(largest, 1e-6);
  const tolerance = engine.current?.precision === "16-mixed" ? MIXED_TOLERANCE : TOLERANCE;
  if (relative > (isLossy ? MAX_LOSS : tolerance)) {
    refuse(name, `differs from the module's by up to ${absolute}, where the largest number is ${largest}`);
  }
  return { absolute, relative };
}

function refuse(name: string, problem: string): never {
  throw new OnnxError(
    "ERR_EXPORT_CHECK",
    `The exported model was run and compared with the module, and its output ${JSON.stringify(name)} ${problem}. ` +
      "Nothing was written. Where forward draws random numbers or decides by lengths, compute otherwise in eval mode, or fix " +
      "the lengths with { dynamicAxes: {} }; where weights were made smaller, keep them in float32.",
  );
}
