/** An ONNX model of pictures as a frozen backbone: a session of its own in ONNX Runtime. */
import { OrtArray, Session } from "../engine/runtime/index.js";
import { HostTensor } from "../host_tensor.js";
import { possibleSize, type FrozenBackbone, type ImageInput } from "./image_backbone.js";
import { poolingOf, type Pooling } from "./onnx_image_features.js";

/**
 * @param model the bytes of a model with one input and the output `features`
 * @throws EngineError `ERR_ENGINE_COMPILE` where ONNX Runtime does not take the model
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where the features are no numbers for each picture
 */
export function openSession(
  name: string,
  model: Uint8Array,
  features: string,
  input: ImageInput,
): FrozenBackbone & { pooling: Pooling } {
  const session = new Session(model, { lively: true });
  const run = (pixels: HostTensor) => session.run([normalize(pixels, input)], [undefined], [features])[0]!;
  const { height, width } = possibleSize(input);
  const probe = run(new HostTensor(new Uint8Array(height * width * 3), [1, height, width, 3]));
  const pooling = poolingOf(name, probe.shape);
  const extract = (pixels: HostTensor): HostTensor => {
    const { data, shape } = run(pixels);
    return pool(data as Float32Array, shape, pooling);
  };
  const numFeatures = pooling === "mean_of_map" ? probe.shape[1]! : probe.shape.at(-1)!;
  return {
    kind: "frozen",
    name,
    model,
    input,
    extract,
    numFeatures,
    pooling,
    dispose: () => session.dispose(),
  };
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

/** To [batch, numFeatures]: numbers of a place stand together in tokens, those of a feature in maps. */
function pool(data: Float32Array, shape: readonly number[], pooling: Pooling): HostTensor {
  const [batch, second, ...rest] = shape as [number, number, ...number[]];
  const inner = rest.reduce((product, length) => product * length, 1);
  if (pooling === "none") return new HostTensor(data, [batch, second]);
  const isMap = pooling === "mean_of_map";
  const [places, features] = isMap ? [inner, second] : [second, inner];
  const [ofPlace, ofFeature] = isMap ? [1, inner] : [inner, 1];
  const used = pooling === "first_token" ? 1 : places;
  const pooled = new Float32Array(batch * features);
  for (let picture = 0; picture < batch; picture++) {
    for (let feature = 0; feature < features; feature++) {
      const start = picture * second * inner + feature * ofFeature;
      let sum = 0;
      for (let place = 0; place < used; place++) sum += data[start + place * ofPlace]!;
      pooled[picture * features + feature] = sum / used;
    }
  }
  return new HostTensor(pooled, [batch, features]);
}
