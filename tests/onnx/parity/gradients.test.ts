/** Training through tiny networks that PyTorch exported: output, loss, gradients and statistics beside PyTorch's own. */
import "../../support/backend.js";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { computeStep, parityErrors, relativeError, TorchReference } from "../../../bench/onnx_reference.js";
import { loadOnnx } from "../../../src/onnx/index.js";
import { engine } from "../../../src/engine/index.js";

const folder = resolve(import.meta.dirname, "../../golden/onnx_parity");
const networks = readdirSync(folder)
  .filter((file) => file.endsWith(".onnx.gz"))
  .map((file) => file.slice(0, -".onnx.gz".length));

const load = (name: string) => loadOnnx(gunzipSync(readFileSync(join(folder, `${name}.onnx.gz`))));
const referenceOf = (name: string) => new TorchReference(join(folder, `${name}.safetensors`));

it("covers every family", () => {
  expect(networks).toHaveLength(11);
});

describe.each(networks)("%s", (name) => {
  const reference = referenceOf(name);

  it.each(reference.modes)(
    "computes PyTorch's output, loss and gradients (batch norms: %s)",
    async (mode) => {
      const module = await load(name);
      module.train(mode === "training");
      engine.resetStats();
      const computed = computeStep(module, reference.inputs());
      const { forward, loss, gradient, worstParameter } = parityErrors(computed, reference, mode);
      expect(forward).toBeLessThan(1e-5);
      expect(loss).toBeLessThan(1e-5);
      expect(gradient, worstParameter).toBeLessThan(2e-4);
      expect(engine.stats().fallbackKernels).toEqual({});
    },
  );

  if (!reference.modes.includes("training")) return;
  it("moves the running statistics as PyTorch does", async () => {
    const module = await load(name);
    module.train();
    computeStep(module, reference.inputs());
    const expected = reference.buffers();
    const buffers = Object.fromEntries(module.namedBuffers());
    expect(Object.keys(buffers).sort()).toEqual(Object.keys(expected).sort());
    for (const [buffer, numbers] of Object.entries(expected)) {
      expect(relativeError(buffers[buffer]!.dataSync(), numbers), buffer).toBeLessThan(1e-5);
    }
  });
});
