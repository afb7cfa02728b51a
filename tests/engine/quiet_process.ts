/** A process of its own for device.test.ts: looks for GPUs, computes on one, and prints what it has found. */
import { availableAccelerators, engine } from "../../src/engine/index.js";

const webgpu = (await availableAccelerators()).find(({ name }) => name === "webgpu")!;
await engine.use({ accelerator: "webgpu" });
process.stdout.write(`${webgpu.available} ${process.env.XDG_RUNTIME_DIR}`);
