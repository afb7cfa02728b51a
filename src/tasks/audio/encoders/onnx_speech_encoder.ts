/** Encoders of speech in the Hugging Face layout: an ONNX model, which trains like any module, and what it wants to hear. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeClassifier } from "../../../backbones/onnx_image_features.js";
import { ConfigurationError } from "../../../errors.js";
import { encodeOnnx, OnnxModule, withWeights, type OnnxModel } from "../../../onnx/index.js";
import { pretrainedFrontEnd } from "../features/pretrained_front_end.js";
import type { SpeechFrontEnd } from "../features/speech_front_end.js";
import { findFrameRule, type FrameRule } from "./frame_rule.js";
import { sequenceMask, SpeechEncoder, type PaddedSequences } from "./speech_encoder.js";

/** The names of the files that a saved task holds of an encoder. */
export const ENCODER_FILES = { model: "encoder.onnx", preprocessor: "preprocessor_config.json" } as const;

/** What an encoder is made of. */
export interface OnnxSpeechParts {
  /** What it is called in errors. */
  name: string;
  model: OnnxModel;
  /** The file that `model` was read from. */
  bytes: Uint8Array;
  /** The text of `preprocessor_config.json`. */
  preprocessor: string;
}

/** Of samples, or of spectrograms [batch, bands, frames]. */
const INPUTS = ["input_values", "input_features"] as const;
const MASK = "attention_mask";
const HIDDEN_STATES = "last_hidden_state";
const LOGITS = "logits";

/**
 * An imported encoder: `last_hidden_state`, or of a model fine-tuned for CTC what its last linear layer takes in. Models
 * without an `attention_mask` hear the silence that batches are padded with, as they did when they were trained.
 */
export class OnnxSpeechEncoder extends SpeechEncoder {
  readonly numFeatures: number;
  readonly subsampling: number;
  override readonly frontEnd: SpeechFrontEnd;
  readonly model: OnnxModule<tf.Tensor>;
  readonly #parts: OnnxSpeechParts;
  /** The name of the hidden states in the model. */
  readonly #hidden: string;
  readonly #input: (typeof INPUTS)[number];
  readonly #takesMask: boolean;
  readonly #rule: FrameRule;

  /**
   * @throws ConfigurationError `ERR_BACKBONE_FOLDER` for a model with other inputs or outputs than encoders of speech have
   * @throws OnnxError `ERR_ONNX_OPERATOR` where an operator cannot be imported
   */
  constructor(parts: OnnxSpeechParts) {
    super();
    const { name, model, preprocessor } = parts;
    this.#parts = parts;
    this.frontEnd = pretrainedFrontEnd(preprocessor, `${name}'s ${ENCODER_FILES.preprocessor}`);
    this.#hidden = hiddenStates(name, model);
    this.model = new OnnxModule<tf.Tensor>(model, { features: this.#hidden });
    const inputs = this.model.inputs.map((input) => input.name);
    const input = INPUTS.find((known) => inputs.includes(known));
    if (input === undefined || inputs.some((given) => given !== input && given !== MASK)) {
      throw refusal(name, model);
    }
    this.#input = input;
    this.#takesMask = inputs.includes(MASK);
    const probe = (length: number): number[] =>
      tf.tidy(() => this.#run(tf.zeros([1, length, this.frontEnd.numFeatures]), [length]).shape);
    if (this.frontEnd.bands !== undefined) {
      const frames = this.frontEnd.batchFrames(0);
      const [, hidden, width] = probe(frames) as [number, number, number];
      this.numFeatures = width;
      this.#rule = { step: Math.round(frames / hidden), offset: Math.round(frames / hidden) - 1 };
    } else {
      const rule = findFrameRule((samples) => probe(samples)[1]!);
      if (rule === undefined) throw refusal(name, model);
      this.numFeatures = probe(rule.step * 4)[2]!;
      this.#rule = rule;
    }
    this.subsampling = this.#rule.step;
  }

  forward({ values, lengths }: PaddedSequences): PaddedSequences {
    const { step, offset } = this.#rule;
    const shortest = step - offset;
    const missing = shortest - values.shape[1]!;
    const filled = missing > 0 ? tf.pad(values, [[0, 0], [0, missing], [0, 0]]) : values; // prettier-ignore
    const hidden = this.#run(filled, lengths);
    const frames = hidden.shape[1]!;
    // A half, so that what float32 makes of a whole number cannot lie below it.
    const steps = tf.floor(tf.mul(tf.add(tf.cast(lengths, "float32"), offset + 0.5), 1 / step));
    const counts = tf.cast(tf.clipByValue(steps, 1, frames), "int32");
    return { values: tf.mul(hidden, sequenceMask(counts, frames)), lengths: counts };
  }

  /**
   * The linear layer that the file itself has behind the hidden states: a row for each class, and their biases; undefined
   * for a file without one.
   */
  publishedHead(): { weight: number[][]; bias: number[] } | undefined {
    const { model } = this.#parts;
    if (!model.graph.outputs.some(({ name }) => name === LOGITS)) return undefined;
    const head = new OnnxModule<tf.Tensor>(model, { inputs: [this.#hidden], features: LOGITS }).eval();
    return tf.tidy(() => {
      // What it makes of nothing is its bias, and what it makes of each unit vector more than that is a column.
      const vectors = tf.concat([tf.zeros([1, this.numFeatures]), tf.eye(this.numFeatures)], 0);
      const [bias, ...columns] = (head.forward(tf.expandDims(vectors, 0)).arraySync() as number[][][])[0]!;
      const weight = bias!.map((offset, i) => columns.map((column) => column[i]! - offset));
      return { weight, bias: bias! };
    });
  }

  /** What a saved task keeps of it: the files, with the weights as they are now, if the model can hold those. */
  saved(): { files: Record<string, Uint8Array>; holdsWeights: boolean } {
    const { model, bytes, preprocessor } = this.#parts;
    const current = withWeights(model, this.model);
    return {
      files: {
        [ENCODER_FILES.model]: current === undefined ? bytes : encodeOnnx(current),
        [ENCODER_FILES.preprocessor]: new TextEncoder().encode(preprocessor),
      },
      holdsWeights: current !== undefined,
    };
  }

  /** @param lengths a tensor, or numbers that are known */
  #run(values: tf.Tensor, lengths: tf.Tensor | readonly number[]): tf.Tensor {
    const input = this.#input === "input_values" ? tf.squeeze(values, [2]) : tf.transpose(values, [0, 2, 1]);
    const ends = lengths instanceof tf.Tensor ? lengths : tf.tensor1d([...lengths], "int32");
    const mask = (): tf.Tensor => tf.cast(tf.squeeze(sequenceMask(ends, values.shape[1]!), [2]), "int32");
    return this.model.forward({ [this.#input]: input, ...(this.#takesMask && { [MASK]: mask() }) });
  }

  /** The front end is the task's, and has no weights. */
  protected override parts(): Iterable<[string, unknown]> {
    return [["model", this.model]];
  }
}

function hiddenStates(name: string, model: OnnxModel): string {
  const outputs = model.graph.outputs.map((output) => output.name);
  if (outputs.includes(HIDDEN_STATES)) return HIDDEN_STATES;
  const features = outputs.includes(LOGITS) ? beforeClassifier(LOGITS, model.graph.nodes) : undefined;
  if (features !== undefined) return features;
  throw refusal(name, model);
}

function refusal(name: string, { graph }: OnnxModel): ConfigurationError {
  const inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name));
  const list = (values: readonly { name: string }[]) => values.map((value) => value.name).join(", ");
  return new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The model of ${name} takes ${list(inputs)} and gives ${list(graph.outputs)}. An encoder of speech takes ` +
      `${INPUTS.join(" or ")}, and may take ${MASK}; it gives ${HIDDEN_STATES} [batch, frames, width], or ${LOGITS} that a ` +
      "linear layer makes of such states, with frames at even distances.",
  );
}
