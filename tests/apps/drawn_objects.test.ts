/** The quickstart's pictures: determined by their seed, balanced, and not to be told apart by colour. */
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { drawnObjects } from "../../examples/support/drawn_objects.js";
import type { DrawnImage, DrawnObjects } from "../../examples/support/drawn_objects.js";

function sha256(images: readonly DrawnImage[]): string {
  const hash = createHash("sha256");
  for (const image of images) hash.update(image.data);
  return hash.digest("hex");
}

/** The share of pixels in each of 4 x 4 x 4 colour bins. */
function colorHistogram({ data }: DrawnImage): number[] {
  const histogram = new Array<number>(64).fill(0);
  for (let i = 0; i < data.length; i += 3) {
    histogram[(data[i]! >> 6) * 16 + (data[i + 1]! >> 6) * 4 + (data[i + 2]! >> 6)]! += 3 / data.length;
  }
  return histogram;
}

/** Mean and standard deviation of each channel. */
function colorMoments({ data }: DrawnImage): number[] {
  return [0, 1, 2].flatMap((channel) => {
    const values = data.filter((_, index) => index % 3 === channel);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return [mean / 255, Math.sqrt(variance) / 255];
  });
}

/** Accuracy on `test` of naming the class whose mean feature over `train` is nearest. */
function nearestCentroidAccuracy(
  train: DrawnObjects,
  test: DrawnObjects,
  feature: (image: DrawnImage) => number[],
): number {
  const centroids = train.labels.map((_, target) => {
    const own = train.images.filter((_, index) => train.targets[index] === target).map(feature);
    return own[0]!.map((_, i) => own.reduce((sum, values) => sum + values[i]!, 0) / own.length);
  });
  const right = test.images.filter((image, index) => {
    const values = feature(image);
    const distances = centroids.map((centroid) =>
      centroid.reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0),
    );
    return distances.indexOf(Math.min(...distances)) === test.targets[index];
  });
  return right.length / test.images.length;
}

describe("drawnObjects", () => {
  let set: DrawnObjects;

  beforeAll(async () => {
    set = await drawnObjects({ count: 800, seed: 3 });
  });

  it("gives RGB pixels, eight labels and the same number of pictures for each", () => {
    expect(set.images).toHaveLength(800);
    expect(new Set(set.labels).size).toBe(8);
    for (const target of set.labels.keys()) {
      expect(set.targets.filter((value) => value === target)).toHaveLength(100);
    }
    for (const { data, width, height, channels } of set.images) {
      expect([width, height, channels, data.length]).toEqual([64, 64, 3, 64 * 64 * 3]);
    }
  });

  it("draws the same bytes again from the same seed, however many are asked for", async () => {
    const again = await drawnObjects({ count: 80, seed: 3 });
    expect(sha256(again.images)).toBe(sha256(set.images.slice(0, 80)));
  });

  it("draws other pictures from another seed, and no picture twice", async () => {
    const other = await drawnObjects({ count: 80, seed: 4 });
    const hashes = [...set.images.slice(0, 80), ...other.images].map((image) => sha256([image]));
    expect(new Set(hashes).size).toBe(160);
  });

  it("takes another image size", async () => {
    const { images } = await drawnObjects({ count: 8, imageSize: 96, seed: 3 });
    expect(images[7]).toMatchObject({ width: 96, height: 96, data: { length: 96 * 96 * 3 } });
  });

  it("cannot be told apart by colour: nearest centroids stay near the chance of 1 in 8", async () => {
    const test = await drawnObjects({ count: 400, seed: 5 });
    expect(nearestCentroidAccuracy(set, test, colorHistogram)).toBeLessThan(0.22);
    expect(nearestCentroidAccuracy(set, test, colorMoments)).toBeLessThan(0.25);
  });

  it("would fail that check if a class were merely a little brighter than the next", () => {
    const brighten = ({ images, ...rest }: DrawnObjects, from: number): DrawnObjects => ({
      ...rest,
      targets: rest.targets.slice(from, from + 400),
      images: images.slice(from, from + 400).map(({ data, ...size }, index) => ({
        ...size,
        data: data.map((value) => Math.min(255, value * 0.5 + 18 * rest.targets[from + index]!)),
      })),
    });
    const accuracy = nearestCentroidAccuracy(brighten(set, 0), brighten(set, 400), colorMoments);
    expect(accuracy).toBeGreaterThan(0.35);
  });
});
