/**
 * The server on loopback: under load with malformed requests and clients that go away, told to end among requests, and its
 * throughput beside ONNX Runtime in a loop.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engine, ImageClassifier, seedEverything } from "kindling";
import sharp from "sharp";
import type { BenchOptions } from "./options.js";
import { endUnderLoad, load } from "./serve_load.js";
import { throughput } from "./serve_throughput.js";

const REQUESTS = 10_000;
const SIZE = 64;
const PICTURES = 16;

export async function serve({ requests = REQUESTS }: BenchOptions): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "kindling-bench-"));
  try {
    await engine.use({ accelerator: "cpu" });
    seedEverything(1);
    const labels = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    const task = new ImageClassifier({ labels, imageSize: SIZE });
    const [model, onnx] = [join(folder, "model.kindling"), join(folder, "model.onnx")];
    await task.save(model);
    await task.exportOnnx(onnx, { preprocessing: true });
    const pictures = await Promise.all(Array.from({ length: PICTURES }, (_, i) => makePicture(i)));
    const expected = await task.predict(pictures);
    return {
      load: await load({ model, pictures, expected }, requests),
      sigterm: await endUnderLoad({ model, pictures }),
      throughput: await throughput({ model, onnx, size: SIZE, pictures }),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function makePicture(seed: number): Promise<Buffer> {
  const data = Buffer.from(Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (i * (seed + 3) * 37) % 251));
  return sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();
}
