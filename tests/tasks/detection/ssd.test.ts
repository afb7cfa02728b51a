/** SSD's default boxes, matching, loss and decoding against torchvision's, and the network that has them. */
import * as tf from "@tensorflow/tfjs-core";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../../src/engine/index.js";
import { defaultBoxes } from "../../../src/tasks/detection/network/default_boxes.js";
import {
  decodeOffsets,
  defaultBoxTensors,
  matchDefaults,
  ssdLoss,
} from "../../../src/tasks/detection/network/ssd_loss.js";
import { SsdLiteNetwork } from "../../../src/tasks/detection/network/ssdlite_network.js";
import { tinyBackbone } from "./tiny_detector.js";

const path = join(import.meta.dirname, "../../golden/detection.json");
const { ssd: golden } = JSON.parse(readFileSync(path, "utf8")) as {
  ssd: Record<"size" | "countOf320" | "classLoss" | "boxLoss", number> &
    Record<
      | "sides"
      | "defaults"
      | "every100thOf320"
      | "boxes"
      | "classIds"
      | "matches"
      | "logits"
      | "offsets"
      | "decoded"
      | "logitsGradient"
      | "offsetsGradient",
      number[]
    >;
};

function worst(actual: ArrayLike<number>, expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
}

/** From middle and size to corners. */
function corners(boxes: Float32Array): number[] {
  return Array.from({ length: boxes.length / 4 }, (_, i) => {
    const [x, y, width, height] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
  }).flat();
}

const boxes = defaultBoxes(golden.size, golden.sides);
const count = boxes.length / 4;
const logits = () => tf.tensor3d(golden.logits, [3, count, 3]);
const offsets = () => tf.tensor3d(golden.offsets, [3, count, 4]);
const truth = () => ({
  boxes: tf.tensor3d(golden.boxes, [3, 4, 4]),
  classIds: tf.tensor2d(golden.classIds, [3, 4], "int32"),
});

beforeAll(async () => {
  await engine.use();
});

describe("SSD", () => {
  it("has torchvision's default boxes", () => {
    expect(worst(corners(boxes), golden.defaults)).toBeLessThan(1e-4);
    const whole = corners(defaultBoxes(320, [20, 10, 5, 3, 2, 1]));
    expect(whole.length / 4).toBe(golden.countOf320);
    const some = whole.filter((_, i) => Math.floor(i / 4) % 100 === 0);
    expect(worst(some, golden.every100thOf320)).toBeLessThan(1e-4);
  });

  it("matches default boxes as torchvision does, two true boxes that want the same one included", () => {
    const { isMatched, classes } = matchDefaults(truth(), defaultBoxTensors(boxes), 2);
    expect([...isMatched.dataSync()]).toEqual(golden.matches.map((match) => Number(match >= 0)));
    const labels = golden.matches.map((match, i) =>
      match < 0 ? 0 : 1 + golden.classIds[4 * Math.floor(i / count) + match]!,
    );
    expect([...tf.argMax(classes, 2).dataSync()]).toEqual(labels);
  });

  it("decodes boxes as torchvision does", () => {
    const decoded = decodeOffsets(offsets(), defaultBoxTensors(boxes));
    expect(worst(tf.slice(decoded, 0, 1).dataSync(), golden.decoded)).toBeLessThan(1e-3);
  });

  it("has torchvision's loss and gradients, and no kernel on the slow path", () => {
    engine.resetStats();
    const defaults = defaultBoxTensors(boxes);
    const { classLoss, boxLoss } = ssdLoss({ logits: logits(), offsets: offsets() }, truth(), defaults);
    expect(classLoss.arraySync()).toBeCloseTo(golden.classLoss, 4);
    expect(boxLoss.arraySync()).toBeCloseTo(golden.boxLoss, 4);
    const given = truth();
    const [ofLogits, ofOffsets] = tf.grads(
      (l: tf.Tensor, o: tf.Tensor) =>
        ssdLoss({ logits: l as tf.Tensor3D, offsets: o as tf.Tensor3D }, given, defaults).loss,
    )([logits(), offsets()]);
    expect(worst(ofLogits!.dataSync(), golden.logitsGradient)).toBeLessThan(1e-5);
    expect(worst(ofOffsets!.dataSync(), golden.offsetsGradient)).toBeLessThan(1e-5);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("is finite where no picture of a batch shows anything", () => {
    const nothing = {
      boxes: tf.zeros<tf.Rank.R3>([3, 4, 4]),
      classIds: tf.fill<tf.Rank.R2>([3, 4], -1, "int32"),
    };
    const { loss } = ssdLoss({ logits: logits(), offsets: offsets() }, nothing, defaultBoxTensors(boxes));
    expect(loss.arraySync()).toBe(0);
  });

  it("says of every default box of six maps what is in it", () => {
    const network = new SsdLiteNetwork(tinyBackbone().module, { numClasses: 2, imageSize: 96 }).eval();
    const { scores, boxes: decoded } = network.decode(network.forward(tf.zeros([2, 96, 96, 3])));
    const places = 6 * (36 + 9 + 4 + 1 + 1 + 1);
    expect(scores.shape).toEqual([2, places, 2]);
    expect(decoded.shape).toEqual([2, places, 4]);
  });
});
