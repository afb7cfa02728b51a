/** A local folder in the Hugging Face layout, run frozen: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`. */
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { OrtArray, Session } from "../engine/runtime/index.js";
import { ConfigurationError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import { parseImageInput } from "./huggingface_image_input.js";
import type { FrozenBackbone, ImageInput } from "./image_backbone.js";

/**
 * @param folder a folder with `preprocessor_config.json` and `onnx/model.onnx`. The model takes `pixel_values`
 *   [N, 3, H, W] and gives `pooler_output` [N, features], or `last_hidden_state` [N, features, h, w] that is averaged.
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where a file is missing or the model has another form
 */
export function loadOnnxFolder(folder: string): FrozenBackbone {
  const preprocessorPath = join(folder, "preprocessor_config.json");
  const input = parseImageInput(
    parseJson(read(preprocessorPath, folder), preprocessorPath),
    preprocessorPath,
  );
  const model = read(join(folder, "onnx", "model.onnx"), folder);
  return frozenBackbone(basename(resolve(folder)), model, input);
}

/** A frozen backbone over the bytes of an ONNX model. */
export function frozenBackbone(name: string, model: Uint8Array, input: ImageInput): FrozenBackbone {
  const session = new Session(model);
  const outputName = ["pooler_output", "last_hidden_state"].find((output) =>
    session.outputNames.includes(output),
  );
  if (session.inputNames.length !== 1 || outputName === undefined) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The model of ${name} takes ${session.inputNames.join(", ")} and gives ${session.outputNames.join(", ")}. ` +
        "A frozen image backbone takes one input, `pixel_values`, and gives `pooler_output` or `last_hidden_state`.",
    );
  }
  const extract = (pixels: HostTensor): HostTensor => {
    const result = session.run([normalize(pixels, input)], [undefined], [outputName])[0]!;
    return poolFeatures(result.data as Float32Array, result.shape);
  };
  const { height, width } = inputSize(input);
  const probe = extract(new HostTensor(new Uint8Array(height * width * 3), [1, height, width, 3]));
  return { kind: "frozen", name, model, input, extract, numFeatures: probe.shape[1]! };
}

/** The height and width, in pixels, of what reaches the network. */
export function inputSize(input: ImageInput): { height: number; width: number } {
  if (input.centerCrop !== undefined) return input.centerCrop;
  if (input.resize !== undefined && "height" in input.resize) return input.resize;
  throw new ConfigurationError(
    "ERR_INPUT_SIZE",
    "This backbone's preprocessor keeps the shape of each picture, but pictures of one batch need one size. Give `imageSize`.",
  );
}

/** uint8 [batch, height, width, 3] to float32 [batch, 3, height, width], by a table for each channel. */
function normalize({ data, shape }: HostTensor, { rescaleFactor, mean, std }: ImageInput) {
  const [batch, height, width] = shape as [number, number, number, number];
  const plane = height * width;
  const output = new Float32Array(batch * plane * 3);
  for (let channel = 0; channel < 3; channel++) {
    const table = Float32Array.from(
      { length: 256 },
      (_, byte) => (byte * rescaleFactor - mean[channel]!) / std[channel]!,
    );
    for (let picture = 0; picture < batch; picture++) {
      const target = (picture * 3 + channel) * plane;
      const source = picture * plane * 3 + channel;
      for (let i = 0; i < plane; i++) output[target + i] = table[data[source + i * 3]!]!;
    }
  }
  return OrtArray.wrap("float32", output, [batch, 3, height, width]);
}

function poolFeatures(data: Float32Array, dims: readonly number[]): HostTensor {
  const [batch, features, ...rest] = dims as [number, number, ...number[]];
  const positions = rest.reduce((product, length) => product * length, 1);
  if (positions === 1) return new HostTensor(data, [batch, features]);
  const pooled = new Float32Array(batch * features);
  for (let i = 0; i < pooled.length; i++) {
    let sum = 0;
    for (let j = 0; j < positions; j++) sum += data[i * positions + j]!;
    pooled[i] = sum / positions;
  }
  return new HostTensor(pooled, [batch, features]);
}

function read(path: string, folder: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone folder ${folder} cannot be used: ${path} cannot be read. ` +
        "Expected preprocessor_config.json and onnx/model.onnx, as Hugging Face's exporters write them.",
      { cause: error },
    );
  }
}

function parseJson(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new ConfigurationError("ERR_BACKBONE_FOLDER", `${path} is not valid JSON.`, { cause: error });
  }
}
