/** Serves a task from code and asks it, then tries one with a backbone of its own; prints what came, as JSON. */
import {
  ImageClassifier,
  Linear,
  Module,
  TextClassificationData,
  TextClassifier,
  tf,
  type TrainableBackbone,
} from "kindling";
import { IMAGENET_NORMALIZATION } from "../../src/backbones/index.js";
import "../support/backend.js";

const train = { texts: ["good", "bad"], targets: ["+", "-"] };
const task = new TextClassifier({ data: await TextClassificationData.fromLists({ train }) });
const server = await task.serve({ port: 0 });
const response = await fetch(`${server.url}/predict`, {
  method: "POST",
  body: "good",
  headers: { "content-type": "text/plain" },
});
const served: unknown = await response.json();
await server.close();
const isClosed = await fetch(server.url).then(
  () => false,
  () => true,
);

class Projection extends Module<tf.Tensor, tf.Tensor> {
  readonly linear = new Linear(3, 4);

  override forward(pixels: tf.Tensor): tf.Tensor {
    return this.linear.forward(tf.mean(pixels, [1, 2]));
  }
}
const backbone: TrainableBackbone = {
  kind: "module",
  name: "projection",
  module: new Projection(),
  numFeatures: 4,
  input: { ...IMAGENET_NORMALIZATION, resize: { height: 8, width: 8 }, interpolation: "bilinear" },
  pretrained: false,
};
const own = new ImageClassifier({ labels: ["a", "b"], backbone });
const refusal = await own.serve({ port: 0 }).then(
  () => "served",
  (error: unknown) => (error as { code: string }).code,
);
process.stdout.write(
  `${JSON.stringify({ served, expected: await task.predict("good"), isClosed, refusal })}\n`,
);
process.exit();
