/** What this machine has to compute on, and the choice among it. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  availableAccelerators,
  chooseAccelerator,
  loadTensorFlow,
} from "../../src/engine/accelerators/index.js";
import { OrtArray } from "../../src/engine/runtime/index.js";
import { useSoftwareGpu } from "../support/software_gpu.js";

const missing = useSoftwareGpu();
const driver = process.env.VK_ICD_FILENAMES;
const error = (code: string, text: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(text) as string }) as Error;
const choosing = (options: object) => () => chooseAccelerator(options);

beforeEach(() => {
  if (driver !== undefined) process.env.VK_ICD_FILENAMES = driver;
});

describe("availableAccelerators", () => {
  it("names all six with what was found or how to get it", async () => {
    const found = new Map((await availableAccelerators()).map((info) => [info.name, info]));
    expect([...found.keys()]).toEqual(["cuda", "webgpu", "directml", "coreml", "tensorflow", "cpu"]);
    expect(found.get("cpu")).toMatchObject({ available: true });
    expect(found.get("tensorflow")).toMatchObject({
      available: false,
      reason: expect.stringContaining("npm install") as string,
    });
    if (process.platform === "linux") {
      expect(found.get("directml")!.reason).toContain("Windows");
      expect(found.get("coreml")!.reason).toContain("macOS");
    }
    for (const { reason } of found.values()) expect(reason).not.toBe("");
  });

  it.runIf(process.platform === "linux")("says that a driver is missing (Linux only)", async () => {
    process.env.VK_ICD_FILENAMES = "/no/driver.json";
    const webgpu = (await availableAccelerators()).find(({ name }) => name === "webgpu")!;
    expect(webgpu.available).toBe(false);
    expect(webgpu.reason).toMatch(missing === undefined ? /no driver.*apt-get install/ : /apt-get install/);
  });
});

describe.skipIf(missing !== undefined)(`a GPU in software (${missing ?? "ready"})`, () => {
  it("is available, is called what it is, and is never taken unasked", async () => {
    const webgpu = (await availableAccelerators()).find(({ name }) => name === "webgpu")!;
    expect(webgpu).toMatchObject({ available: true, software: true });
    expect(webgpu.device).toContain("SwiftShader");
    const chosen = chooseAccelerator();
    expect(chosen.name).toBe("cpu");
    expect(chosen.reason).toMatch(/cpu is the best.*Not cuda.*Not webgpu: .*SwiftShader.* is software/);
  });

  it("is opened when asked for", () => {
    const { name, device, precision } = chooseAccelerator({ accelerator: "webgpu" });
    expect({ name, precision }).toEqual({ name: "webgpu", precision: "32-true" });
    const array = OrtArray.wrap("float32", Float32Array.of(1, 2), [2]).copyTo(device!);
    expect(Array.from(array.data)).toEqual([1, 2]);
  });

  it("computes in float16 or says that it does not", () => {
    const { device } = chooseAccelerator({ accelerator: "webgpu" });
    expect(device!.computes("float32")).toBe(true);
    const half = choosing({ accelerator: "webgpu", precision: "16-mixed" });
    if (device!.computes("float16")) expect(half().precision).toBe("16-mixed");
    else expect(half).toThrow(error("ERR_ENGINE_PRECISION", /webgpu on .*SwiftShader.*float16/));
  });
});

describe("an accelerator that was asked for and is missing", () => {
  it.runIf(process.platform === "linux")("is an error that tells how to get it (Linux only)", async () => {
    expect(choosing({ accelerator: "directml" })).toThrow(error("ERR_ENGINE_ACCELERATOR", /Windows/));
    expect(choosing({ accelerator: "tensorflow" })).toThrow(error("ERR_ENGINE_ACCELERATOR", /npm install/));
    await expect(loadTensorFlow()).rejects.toThrow(error("ERR_ENGINE_ACCELERATOR", /npm install/));
  });
});

describe("the options", () => {
  it.each([
    [{ accelerator: "webgp" }, /Did you mean "webgpu"/],
    [{ precision: "16" }, /"16-mixed"/],
    [{ threads: 0 }, /threads .* at least 1, and 0 came/],
    [{ threads: 1.5 }, /whole number/],
    [{ memoryLimitMb: NaN }, /memoryLimitMb/],
    [{ accelerator: "cuda", deviceId: -1 }, /deviceId/],
    [{ accelerator: "webgpu", memoryLimitMb: 64 }, /"cpu" or "cuda", and the accelerator is "webgpu"/],
    [{ accelerator: "webgpu", deviceId: 1 }, /"cuda" or "directml", and the accelerator is "webgpu"/],
  ])("refuse %j", (options, text) => {
    expect(choosing(options)).toThrow(error("ERR_ACCELERATOR_OPTION", text));
  });

  it("refuse a precision that the CPU does not have", () => {
    expect(chooseAccelerator({ accelerator: "cpu" })).toMatchObject({ name: "cpu", precision: "32-true" });
    expect(choosing({ accelerator: "cpu", precision: "16-mixed" })).toThrow(
      error("ERR_ENGINE_PRECISION", /cpu.*32-true/),
    );
  });
});
