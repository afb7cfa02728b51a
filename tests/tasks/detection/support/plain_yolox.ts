/** YOLOX's published decoding around plain onnxruntime-node, with nothing of ours in between. */
import * as ort from "onnxruntime-node";
import sharp from "sharp";

export interface PlainDetection {
  classId: number;
  score: number;
  /** Corners in pixels of the picture. */
  box: number[];
}

const SIZE = 416;
const GREY = 114;

/** A file in plain onnxruntime-node. */
export async function plainSession(path: string) {
  const session = await ort.InferenceSession.create(path);
  const tensor = (data: Float32Array, shape: number[]) => new ort.Tensor("float32", data, shape);
  return { session, tensor };
}

/** The session is made when the engine has started: both share ONNX Runtime's environment. */
export async function plainYolox(path: string) {
  const session = await ort.InferenceSession.create(path);
  const detect = async (photo: string, { threshold, iou }: { threshold: number; iou: number }) => {
    const { data, info } = await sharp(photo)
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const ratio = Math.min(SIZE / info.height, SIZE / info.width);
    const input = letterbox(data, info, ratio);
    const { output } = await session.run({ images: new ort.Tensor("float32", input, [1, 3, SIZE, SIZE]) });
    const candidates = decode(output!.data as Float32Array, threshold).map((candidate) => ({
      ...candidate,
      box: candidate.box.map((edge) => edge / ratio),
    }));
    return suppress(candidates, iou).map(({ box, ...rest }): PlainDetection => ({
      ...rest,
      box: box.map((edge, i) => Math.min(i % 2 === 0 ? info.width : info.height, Math.max(0, edge))),
    }));
  };
  return { detect };
}

/** As cv2.resize with INTER_LINEAR, on grey, blue first. */
function letterbox(data: Buffer, { width, height }: { width: number; height: number }, ratio: number) {
  const [newWidth, newHeight] = [Math.trunc(width * ratio), Math.trunc(height * ratio)];
  const input = new Float32Array(3 * SIZE * SIZE).fill(GREY);
  const along = (i: number, from: number, to: number) =>
    Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
  for (let y = 0; y < newHeight; y++) {
    const v = along(y, height, newHeight);
    const [y0, y1] = [Math.floor(v), Math.min(height - 1, Math.floor(v) + 1)];
    for (let x = 0; x < newWidth; x++) {
      const u = along(x, width, newWidth);
      const [x0, x1] = [Math.floor(u), Math.min(width - 1, Math.floor(u) + 1)];
      for (let c = 0; c < 3; c++) {
        const at = (row: number, column: number) => data[(row * width + column) * 3 + c]!;
        const upper = at(y0, x0) * (x0 + 1 - u) + at(y0, x1) * (u - x0);
        const lower = at(y1, x0) * (x0 + 1 - u) + at(y1, x1) * (u - x0);
        input[(2 - c) * SIZE * SIZE + y * SIZE + x] = Math.round(upper * (y0 + 1 - v) + lower * (v - y0));
      }
    }
  }
  return input;
}

function decode(output: Float32Array, threshold: number): PlainDetection[] {
  const found: PlainDetection[] = [];
  let at = 0;
  for (const stride of [8, 16, 32]) {
    for (let y = 0; y < SIZE / stride; y++) {
      for (let x = 0; x < SIZE / stride; x++, at += 85) {
        const [dx, dy, w, h, objectness] = output.subarray(at, at + 5) as unknown as number[];
        const [cx, cy] = [(dx! + x) * stride, (dy! + y) * stride];
        const [halfWidth, halfHeight] = [(Math.exp(w!) * stride) / 2, (Math.exp(h!) * stride) / 2];
        for (let classId = 0; classId < 80; classId++) {
          const score = objectness! * output[at + 5 + classId]!;
          if (score < threshold) continue;
          found.push({
            classId,
            score,
            box: [cx - halfWidth, cy - halfHeight, cx + halfWidth, cy + halfHeight],
          });
        }
      }
    }
  }
  return found;
}

function suppress(candidates: PlainDetection[], limit: number): PlainDetection[] {
  const kept: PlainDetection[] = [];
  for (const candidate of candidates.sort((a, b) => b.score - a.score)) {
    const rivals = kept.filter(({ classId }) => classId === candidate.classId);
    if (rivals.every(({ box }) => overlap(box, candidate.box) <= limit)) kept.push(candidate);
  }
  return kept;
}

function overlap(a: number[], b: number[]): number {
  const side = (i: number) => Math.max(0, Math.min(a[i + 2]!, b[i + 2]!) - Math.max(a[i]!, b[i]!));
  const area = (box: number[]) => (box[2]! - box[0]!) * (box[3]! - box[1]!);
  const shared = side(0) * side(1);
  return shared / (area(a) + area(b) - shared);
}
