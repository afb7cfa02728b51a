/** Three ranks' pictures put together, against MeanAveragePrecision over all of them. */
import { describe, expect, it } from "vitest";
import { Generator } from "../../../src/random.js";
import { inPicture, selectDetections } from "../../../src/tasks/detection/decode_detections.js";
import type { DetectionRecord } from "../../../src/tasks/detection/detection_dataset.js";
import {
  COUNTED,
  DetectionEvaluation,
  truthOf,
  type RawDetections,
} from "../../../src/tasks/detection/detection_evaluation.js";
import { MeanAveragePrecision } from "../../../src/tasks/detection/mean_average_precision.js";

type Seen = Parameters<Parameters<DetectionEvaluation["finish"]>[0]>[0][number];

const PICTURES = 40;
const CLASSES = 2;
const square = { imageSize: 64, letterbox: "antialiased" as const };
const random = new Generator(5);

/** A box of each picture is found more or less well, beside things that are not there; scores are often equal. */
function makePicture(i: number): { record: DetectionRecord; raw: RawDetections } {
  const [left, top, side] = [random.integer(30), random.integer(30), 10 + random.integer(20)];
  const box = { xmin: left, ymin: top, xmax: left + side, ymax: top + side };
  const record = { image: `${i}.jpg`, width: 64, height: 64, boxes: [{ ...box, classId: i % CLASSES }] };
  const boxes: number[] = [];
  const scores: number[] = [];
  for (let place = 0; place < 4; place++) {
    const moved = [left, top, left + side, top + side].map(
      (edge) => edge + random.integer(7) - 3 + 20 * place,
    );
    boxes.push(...moved);
    scores.push(...Array.from({ length: CLASSES }, () => (1 + random.integer(9)) / 10));
  }
  return { record, raw: { boxes: Float32Array.from(boxes), scores: Float32Array.from(scores) } };
}

const pictures = Array.from({ length: PICTURES }, (_, i) => makePicture(i));
const records = pictures.map(({ record }) => record);

function over(chosen: typeof pictures) {
  const metric = new MeanAveragePrecision({ numClasses: CLASSES });
  for (const { record, raw } of chosen) {
    const detected = inPicture(selectDetections(raw.scores, raw.boxes, COUNTED), record, square);
    metric.update([detected], [truthOf(record)]);
  }
  return metric.compute();
}

/** What each rank gets that has looked at these pictures of its own part. */
async function onRanks(parts: { numbers: number[]; records: DetectionRecord[]; raws: RawDetections[] }[]) {
  const ranks = parts.map(({ numbers, records, raws }) => {
    const evaluation = new DetectionEvaluation(CLASSES, square);
    evaluation.update(raws, numbers, records);
    return evaluation;
  });
  const sent: Seen[][] = [];
  const results = ranks.map((evaluation) =>
    evaluation.finish(async (own) => {
      sent.push([...own]);
      // All have sent when each goes on.
      await Promise.resolve();
      return sent;
    }),
  );
  const [first, ...others] = await Promise.all(results);
  for (const other of others) expect(other).toEqual(first);
  return first!;
}

const rawsOf = (numbers: number[]) => numbers.map((i) => pictures[i]!.raw);

describe("ranks together", () => {
  const dealt = [0, 1, 2].map((rank) =>
    Array.from({ length: PICTURES }, (_, i) => i).filter((i) => Math.floor(i / 8) % 3 === rank),
  );

  it("have the average precision of all pictures, which is not the mean of theirs", async () => {
    const parts = dealt.map((numbers) => ({ numbers, records, raws: rawsOf(numbers) }));
    const all = over(pictures);
    expect(await onRanks(parts)).toEqual(all);
    const each = dealt.map((numbers) => over(numbers.map((i) => pictures[i]!)).map);
    expect(Math.abs(each.reduce((sum, map) => sum + map / 3, 0) - all.map)).toBeGreaterThan(1e-4);
  });

  it("count a picture once that several have seen", async () => {
    const padded = dealt.map((numbers, rank) => (rank === 2 ? [...numbers, 0, 1] : numbers));
    const parts = padded.map((numbers) => ({ numbers, records, raws: rawsOf(numbers) }));
    expect(await onRanks(parts)).toEqual(over(pictures));
    expect(over([...pictures, pictures[0]!, pictures[1]!]).map).not.toBe(over(pictures).map);
  });

  it("may have parts of their own, with other pictures under the same numbers", async () => {
    const parts = dealt.map((numbers) => ({
      numbers: numbers.map((_, i) => i),
      records: numbers.map((i) => records[i]!),
      raws: rawsOf(numbers),
    }));
    expect((await onRanks(parts)).map).toBeCloseTo(over(pictures).map, 1);
    expect((await onRanks(parts)).mar100).toBe(over(pictures).mar100);
  });
});
