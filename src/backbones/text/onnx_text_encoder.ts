/** Text encoders of ONNX files, which train like any module. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { Module } from "../../nn/index.js";
import { decodeOnnx, encodeOnnx, OnnxModule, withWeights, type OnnxModel } from "../../onnx/index.js";
import type { TextEncoderFolder } from "./encoder_folder.js";
import { poolTokens, type TextPooling } from "./pooling.js";
import { PRETRAINED_RECIPE, type TextBackbone, type TextInputs, type TextModule } from "./text_backbone.js";
import { TokenPreprocessor } from "./token_preprocessor.js";

/** What brings a saved encoder back, besides its files. */
export interface SavedTextEncoder {
  pooling: TextPooling;
  maxLength: number;
}

const MODEL_FILE = "encoder.onnx";
const INPUTS: Readonly<Record<string, keyof TextInputs>> = {
  input_ids: "inputIds",
  attention_mask: "attentionMask",
  token_type_ids: "tokenTypeIds",
};
/** Outputs of which the first that there is has a vector for each token. */
const HIDDEN_STATES = ["last_hidden_state", "token_embeddings", "hidden_states"];

/** An encoder over an imported ONNX model. */
export class OnnxTextEncoder extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly model: OnnxModule;
  readonly pooling: TextPooling;
  readonly numFeatures: number;
  readonly #file: OnnxModel;
  readonly #hidden: string;

  /** @throws ConfigurationError `ERR_BACKBONE_FOLDER` where the model has other inputs or outputs than text encoders have */
  constructor(name: string, model: OnnxModel, pooling: TextPooling) {
    super();
    this.model = new OnnxModule(model);
    this.#file = model;
    this.pooling = pooling;
    const inputs = this.model.inputs.map((input) => input.name);
    const hidden = HIDDEN_STATES.find((output) => this.model.outputs.includes(output));
    if (hidden === undefined || !inputs.includes("input_ids") || inputs.some((input) => !(input in INPUTS))) {
      throw new ConfigurationError(
        "ERR_BACKBONE_FOLDER",
        `The model of ${name} takes ${inputs.join(", ")} and gives ${this.model.outputs.join(", ")}. A text encoder takes ` +
          `\`input_ids\`, and may take ${Object.keys(INPUTS).slice(1).join(" and ")}; it gives \`last_hidden_state\`.`,
      );
    }
    this.#hidden = hidden;
    this.numFeatures = tf.tidy(() => {
      const [ids, mask] = [tf.zeros([1, 8], "int32"), tf.ones([1, 8], "int32")];
      return this.forwardTokens({ inputIds: ids, attentionMask: mask, tokenTypeIds: ids }).shape[2]!;
    });
  }

  override forward(inputs: TextInputs): tf.Tensor {
    return poolTokens(this.forwardTokens(inputs), inputs.attentionMask!, this.pooling);
  }

  forwardTokens(inputs: TextInputs): tf.Tensor {
    const given = this.model.inputs.map(({ name }) => [name, inputs[INPUTS[name]!]!] as const);
    return this.model.forward(Object.fromEntries(given))[this.#hidden]!;
  }

  /**
   * The ONNX file with the weights as they are now.
   *
   * @returns undefined where the file keeps weights in another form than float32
   */
  toOnnx(): Uint8Array | undefined {
    const model = withWeights(this.#file, this.model);
    return model && encodeOnnx(model);
  }
}

/** @throws ConfigurationError `ERR_BACKBONE_FOLDER` */
export function onnxTextEncoder(
  name: string,
  model: OnnxModel,
  { preprocessor, pooling }: Pick<TextEncoderFolder, "preprocessor" | "pooling">,
): TextBackbone {
  const module = new OnnxTextEncoder(name, model, pooling);
  const options: SavedTextEncoder = { pooling, maxLength: preprocessor.maxLength };
  return {
    name,
    module,
    preprocessor,
    recipe: PRETRAINED_RECIPE,
    pretrained: true,
    saved: {
      kind: "onnx-encoder",
      options,
      files: () => ({ [MODEL_FILE]: encodeOnnx(model) }),
      filesWithWeights: () => {
        const bytes = module.toOnnx();
        return bytes && { [MODEL_FILE]: bytes };
      },
    },
  };
}

/** An encoder that a task was saved with. */
export function restoreTextEncoder(
  name: string,
  { pooling, maxLength }: SavedTextEncoder,
  files: Record<string, Uint8Array>,
): TextBackbone {
  const model = decodeOnnx(new Uint8Array(files[MODEL_FILE]!));
  return onnxTextEncoder(name, model, {
    preprocessor: TokenPreprocessor.fromFiles(files, maxLength),
    pooling,
  });
}
