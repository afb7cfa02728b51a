/** A local folder in the Hugging Face layout, run frozen: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OrtArray, Session } from "../engine/runtime/index.js";
import { ConfigurationError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import { openFolder, type BackboneFolder } from "./backbone_folder.js";
import { readImageInput } from "./folder_config.js";
import type { FrozenBackbone, ImageInput } from "./image_backbone.js";

const USUAL_SIZE = 224;

/**
 * @param folder a folder with `preprocessor_config.json` and `onnx/model.onnx`. The model takes `pixel_values`
 *   [N, 3, H, W] and gives `pooler_output` [N, features], or `last_hidden_state` [N, features, h, w] that is averaged.
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where a file is missing or the model has another form
 */
export function loadOnnxFolder(folder: string): FrozenBackbone {
  return openOnnxFolder(openFolder(folder, { weights: "onnx" }));
}

/** As `loadOnnxFolder`, for a folder whose files are known. */
export function openOnnxFolder({ name, folder, files }: BackboneFolder): FrozenBackbone {
  const input = readImageInput(folder);
  if (input === undefined) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone folder ${folder} cannot be used: it has no preprocessor_config.json, which says how pictures are prepared.`,
    );
  }
  return frozenBackbone(name, readFileSync(join(folder, files.main)), input);
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
  const { height, width } = probeSize(input);
  const probe = extract(new HostTensor(new Uint8Array(height * width * 3), [1, height, width, 3]));
  return { kind: "frozen", name, model, input, extract, numFeatures: probe.shape[1]! };
}

/** Some size of picture that the network may get. */
function probeSize({ resize, centerCrop }: ImageInput): { height: number; width: number } {
  if (centerCrop !== undefined) return centerCrop;
  if (resize !== undefined && "height" in resize) return resize;
  const edge = resize?.shortestEdge ?? USUAL_SIZE;
  return { height: edge, width: edge };
}

/**
 * The height and width, in pixels, of what reaches the network.
 *
 * @throws ConfigurationError `ERR_INPUT_SIZE` where they depend on the picture
 */
export function inputSize(input: ImageInput): { height: number; width: number } {
  if (input.centerCrop !== undefined) return input.centerCrop;
  if (input.resize !== undefined && "height" in input.resize) return input.resize;
  throw new ConfigurationError(
    "ERR_INPUT_SIZE",
    "This backbone's preprocessor keeps the shape of each picture, but pictures of one batch need one size. Give `imageSize`.",
  );
}

/** uint8 [batch, height, width, 3] to float32 [batch, 3, height, width], by a table for each channel. */
function normalize({ data, shape }: HostTensor, { rescaleFactor, mean, std, channelOrder }: ImageInput) {
  const [batch, height, width] = shape as [number, number, number, number];
  const plane = height * width;
  const output = new Float32Array(batch * plane * 3);
  for (let channel = 0; channel < 3; channel++) {
    const table = Float32Array.from(
      { length: 256 },
      (_, byte) => (byte * rescaleFactor - mean[channel]!) / std[channel]!,
    );
    const place = channelOrder === "bgr" ? 2 - channel : channel;
    for (let picture = 0; picture < batch; picture++) {
      const target = (picture * 3 + place) * plane;
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
