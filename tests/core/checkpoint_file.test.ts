/** Checkpoint files against everything that can happen to a file: damage, old versions, full and missing disks. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  AsyncCheckpointIO,
  Callback,
  decodeSafetensors,
  EarlyStopping,
  readCheckpoint,
  SafetensorsCheckpointIO,
  Trainer,
  writeCheckpoint,
  type Checkpoint,
  type OptimizerConfiguration,
} from "../../src/core/index.js";
import { writeFileAtomically } from "../../src/atomic_write.js";
import { decodeCheckpoint } from "../../src/core/checkpoint/checkpoint.js";
import { KindlingError } from "../../src/errors.js";
import { HostTensor } from "../../src/host_tensor.js";
import { AdamW, Dropout, WarmupCosine } from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
import { VERSION } from "../../src/version.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-file-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** @param size floats of the one weight */
const checkpoint = (size = 16, fill = 1): Checkpoint => ({
  kindlingVersion: VERSION,
  stateDict: { "layer.weight": new HostTensor(new Float32Array(size).fill(fill), [size]) },
  progress: { epoch: 0, batchInEpoch: 0, globalStep: 0, batchesSinceValidation: 0, phase: "batches" },
  hparams: {},
  callbacks: {},
  random: { seed: 0, state: [1, 2, 3, 4] },
  extra: {},
});

/** The code of what is thrown. */
function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    if (error instanceof KindlingError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

async function failureOf(promise: Promise<unknown>): Promise<KindlingError> {
  const error: unknown = await promise.then(
    () => new Error("nothing was thrown"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KindlingError);
  return error as KindlingError;
}

describe("a damaged file", () => {
  const bytesOfOne = async (): Promise<Buffer> => {
    const path = join(folder, "whole.safetensors");
    await writeCheckpoint(path, checkpoint());
    return readFileSync(path);
  };
  const codes = [
    "ERR_SAFETENSORS_DAMAGED",
    "ERR_CHECKPOINT_DAMAGED",
    "ERR_CHECKPOINT_FORMAT",
    "ERR_CHECKPOINT_VERSION",
  ];

  it("is an error, wherever a bit is flipped", async () => {
    const whole = await bytesOfOne();
    for (let byte = 0; byte < whole.length; byte++) {
      const flipped = Buffer.from(whole);
      flipped[byte]! ^= 1 << (byte % 8);
      expect(codes, `byte ${byte}`).toContain(codeOf(() => decodeCheckpoint(flipped)));
    }
  });

  it("is an error, wherever bytes are changed, missing or added", async () => {
    const whole = await bytesOfOne();
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      remove: fc.nat(20),
      insert: fc.uint8Array({ maxLength: 20 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const damaged = changes.reduce(
          (bytes, { at, remove, insert }) =>
            Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]),
          whole,
        );
        fc.pre(!damaged.equals(whole));
        expect(codes).toContain(codeOf(() => decodeCheckpoint(damaged)));
      }),
      { numRuns: 500 },
    );
  });

  it("says what is wrong", async () => {
    const whole = await bytesOfOne();
    const weights = Buffer.from(whole);
    weights[whole.length - 2]! ^= 1;
    expect(() => decodeCheckpoint(weights, "a.safetensors")).toThrow(
      "a.safetensors is a damaged checkpoint: its contents do not match their checksum. " +
        "Copy it again, or go on from an earlier one.",
    );
    expect(() => decodeCheckpoint(whole.subarray(0, -4), "a.safetensors")).toThrow(
      /a\.safetensors is not a whole safetensors file: its header describes 64 bytes of data, and 60 are there/,
    );
    expect(() => decodeCheckpoint(new Uint8Array(0), "a.safetensors")).toThrow("it has 0 bytes");
  });

  it("has a checksum that other programs can compute", async () => {
    const whole = await bytesOfOne();
    const { metadata } = decodeSafetensors(whole);
    const checksum = metadata.kindling_sha256!;
    const place = whole.indexOf(checksum);
    whole.fill("0", place, place + checksum.length);
    expect(createHash("sha256").update(whole).digest("hex")).toBe(checksum);
  });
});

describe("a value that a file cannot hold", () => {
  it.each([
    ["a function", { f: () => 1 }, "checkpoint.extra.f is a function (f)"],
    ["a map", { deep: [new Map()] }, "checkpoint.extra.deep[0] is an object of class Map"],
    ["a big integer", { n: 1n }, "checkpoint.extra.n is a bigint"],
    ["undefined in an array", { list: [undefined] }, "checkpoint.extra.list[0] is undefined"],
  ])("is an error that says where it is: %s", async (_, extra, text) => {
    const path = join(folder, "a.safetensors");
    const error = await failureOf(writeCheckpoint(path, { ...checkpoint(), extra }));
    expect(error.code).toBe("ERR_CHECKPOINT_VALUE");
    expect(error.message).toContain(text);
    expect(existsSync(path)).toBe(false);
  });

  it("such as an object in itself, too", async () => {
    const extra: Record<string, unknown> = {};
    extra.self = extra;
    const error = await failureOf(writeCheckpoint(join(folder, "a"), { ...checkpoint(), extra }));
    expect(error.message).toContain("checkpoint.extra.self is an object that contains itself");
  });
});

class OldModel extends BoringModel {
  readonly dropout = new Dropout(0.3);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.dropout.forward(input));
  }

  override configureOptimizers(): OptimizerConfiguration {
    const optimizer = new AdamW(this.parameters(), { lr: 0.03 });
    const totalSteps = this.trainer.estimatedSteppingBatches;
    return {
      optimizer,
      lrScheduler: { scheduler: new WarmupCosine(optimizer, { totalSteps }), interval: "step" },
    };
  }
}

describe("a file of version 1", () => {
  // Written by the first release that had checkpoints, after the third batch of the second epoch of the run below.
  const old = join(import.meta.dirname, "fixtures", "checkpoint_v1.safetensors");

  it("is read as one of this version", async () => {
    const { hparams, progress, optimizerStates, lrSchedulers, callbacks } = await readCheckpoint(old);
    expect(hparams).toEqual({ width: 32, name: "version 1" });
    expect(progress).toEqual({
      epoch: 1,
      batchInEpoch: 3,
      globalStep: 9,
      batchesSinceValidation: 3,
      phase: "batches",
    });
    expect(optimizerStates).toHaveLength(1);
    expect(lrSchedulers).toEqual([{ lastStep: 9, initialLrs: [0.03] }]);
    expect(callbacks["EarlyStopping(val_loss, min)"]).toEqual({
      waitCount: 0,
      bestScore: 0.6882297098636627,
    });
  });

  it("goes on as the run that it was taken from", async () => {
    const run = async (model: OldModel, ckptPath?: string) => {
      const stopping = new EarlyStopping({ monitor: "val_loss", patience: 100 });
      const trainer = new Trainer({
        maxEpochs: 3,
        logger: false,
        enableProgressBar: false,
        callbacks: stopping,
      });
      const data = { train: boringBatches(6), val: boringBatches(2, 4, 11) };
      await trainer.fit(model, data, ckptPath === undefined ? {} : { ckptPath });
      return [...model.layer.weight.dataSync()];
    };
    seedEverything(9);
    const whole = await run(new OldModel());
    seedEverything(77);
    const resumed = await run(new OldModel(), old);
    // The same up to what another processor rounds differently.
    resumed.forEach((value, i) => expect(value).toBeCloseTo(whole[i]!, 4));
  });
});

const isRoot = process.getuid?.() === 0;

describe("a disk that fails", () => {
  it.skipIf(!isRoot)(
    "because it is full leaves the last checkpoint (mounting a small one needs root)",
    async (context) => {
      const disk = join(folder, "disk");
      mkdirSync(disk);
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], { stdio: "pipe" });
      } catch {
        context.skip("a tmpfs could not be mounted");
      }
      try {
        const path = join(disk, "last.safetensors");
        await writeCheckpoint(path, checkpoint(1000, 1));
        const error = await failureOf(writeCheckpoint(path, checkpoint(100_000, 2)));
        expect(error.code).toBe("ERR_FILE_WRITE");
        expect(error.message).toContain(`${path} could not be written: ENOSPC`);
        expect(error.message).toContain("Free space on that disk");
        expect(readdirSync(disk)).toEqual(["last.safetensors"]);
        expect((await readCheckpoint(path)).stateDict["layer.weight"]!.data[0]).toBe(1);
      } finally {
        execFileSync("umount", [disk]);
      }
    },
  );

  it("because the folder is read-only leaves the last checkpoint", async (context) => {
    const path = join(folder, "last.safetensors");
    await writeCheckpoint(path, checkpoint(16, 1));
    if (isRoot) {
      // Permissions do not stop root; a mount does.
      try {
        execFileSync("mount", ["--bind", folder, folder], { stdio: "pipe" });
        execFileSync("mount", ["-o", "remount,ro,bind", folder], { stdio: "pipe" });
      } catch {
        context.skip("a read-only mount could not be made");
      }
    } else chmodSync(folder, 0o555);
    try {
      const error = await failureOf(writeCheckpoint(path, checkpoint(16, 2)));
      expect(error.code).toBe("ERR_FILE_WRITE");
      expect(error.message).toMatch(/could not be written: E(ROFS|ACCES)/);
      expect(error.message).toContain("Choose a folder that this process may write to");
      expect((await readCheckpoint(path)).stateDict["layer.weight"]!.data[0]).toBe(1);
    } finally {
      if (isRoot) execFileSync("umount", [folder]);
      else chmodSync(folder, 0o755);
    }
  });

  it("because the folder vanishes while the file is written is an error", async () => {
    const path = join(folder, "gone", "last.safetensors");
    const error = await failureOf(
      writeFileAtomically(path, async (file) => {
        await file.writeFile("half");
        rmSync(join(folder, "gone"), { recursive: true });
      }),
    );
    expect(error.code).toBe("ERR_FILE_WRITE");
    expect(error.message).toContain(`${path} could not be written: ENOENT`);
  });

  it("because a file stands where the folder should be is an error", async () => {
    writeFileSync(join(folder, "file"), "");
    const error = await failureOf(writeCheckpoint(join(folder, "file", "a.safetensors"), checkpoint()));
    expect(error.code).toBe("ERR_FILE_WRITE");
  });

  it("does not: a folder that vanished between two checkpoints is made again", async () => {
    const path = join(folder, "checkpoints", "last.safetensors");
    await writeCheckpoint(path, checkpoint(16, 1));
    rmSync(join(folder, "checkpoints"), { recursive: true });
    await writeCheckpoint(path, checkpoint(16, 2));
    expect((await readCheckpoint(path)).stateDict["layer.weight"]!.data[0]).toBe(2);
  });

  it("makes the fit fail, and the checkpoint of the epoch before is whole", async () => {
    const good = join(folder, "good.safetensors");
    class Save extends Callback {
      override async onTrainEpochEnd(trainer: Trainer): Promise<void> {
        const path = trainer.currentEpoch === 0 ? good : join(good, "inside", "bad.safetensors");
        await trainer.saveCheckpoint(path);
      }
    }
    const options = { maxEpochs: 2, logger: false, enableProgressBar: false } as const;
    const data = { train: boringBatches(2) };
    const error = await failureOf(
      new Trainer({ ...options, callbacks: new Save() }).fit(new BoringModel(), data),
    );
    expect(error.code).toBe("ERR_FILE_WRITE");
    const trainer = new Trainer(options);
    await trainer.fit(new BoringModel(), data, { ckptPath: good });
    expect(trainer.globalStep).toBe(4);
  });
});

describe("temporary files", () => {
  it("of a process that is gone are removed with the next save, those of a running one are not", async () => {
    const path = join(folder, "a.safetensors");
    const dead = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
    writeFileSync(join(folder, `.a.safetensors.${dead}.0.tmp`), "half");
    writeFileSync(join(folder, `.a.safetensors.${process.ppid}.0.tmp`), "half");
    writeFileSync(join(folder, `.b.safetensors.${dead}.0.tmp`), "another file's");
    await writeCheckpoint(path, checkpoint());
    expect(readdirSync(folder).sort()).toEqual([
      `.a.safetensors.${process.ppid}.0.tmp`,
      `.b.safetensors.${dead}.0.tmp`,
      "a.safetensors",
    ]);
  });
});

/** Waits at every save until it is told to go on. */
class SlowIO extends SafetensorsCheckpointIO {
  readonly started: string[] = [];
  release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => (this.release = resolve));

  override async saveCheckpoint(path: string, saved: Checkpoint): Promise<void> {
    this.started.push(path);
    await this.#released;
    await super.saveCheckpoint(path, saved);
  }
}

describe("AsyncCheckpointIO", () => {
  it("saves a snapshot of the caller's turn while training goes on, and the fit waits for it at its end", async () => {
    const slow = new SlowIO();
    const path = join(folder, "a.safetensors");
    const state = { steps: 0 };
    class Save extends Callback {
      override stateDict() {
        return state;
      }
      override async onTrainBatchEnd(
        trainer: Trainer,
        _m: unknown,
        _o: unknown,
        _b: unknown,
        batchIdx: number,
      ) {
        if (batchIdx === 1) await trainer.saveCheckpoint(path);
        state.steps++;
      }
      override onTrainEnd(): void {
        expect(slow.started).toEqual([path]);
        expect(existsSync(path)).toBe(false);
        slow.release();
      }
    }
    const model = new BoringModel();
    const trainer = new Trainer({
      maxEpochs: 1,
      logger: false,
      enableProgressBar: false,
      callbacks: new Save(),
      checkpointIO: new AsyncCheckpointIO(slow),
    });
    await trainer.fit(model, { train: boringBatches(6) });
    const saved = await readCheckpoint(path);
    expect(saved.progress.batchInEpoch).toBe(2);
    expect(saved.callbacks.Save).toEqual({ steps: 1 });
    expect([...saved.stateDict["layer.weight"]!.data]).not.toEqual([...model.layer.weight.dataSync()]);
  });

  it("raises a failure at the next save, and removes nothing that a failed save should have replaced", async () => {
    writeFileSync(join(folder, "file"), "");
    const good = join(folder, "good.safetensors");
    await writeCheckpoint(good, checkpoint());
    const io = new AsyncCheckpointIO();
    io.saveCheckpoint(join(folder, "file", "bad.safetensors"), checkpoint());
    io.removeCheckpoint(good);
    expect((await io.loadCheckpoint(good)).stateDict).toEqual(checkpoint().stateDict);
    expect(codeOf(() => io.saveCheckpoint(good, checkpoint()))).toBe("ERR_FILE_WRITE");
    expect(existsSync(good)).toBe(true);
    io.saveCheckpoint(good, checkpoint(16, 3));
    await io.teardown();
    expect((await readCheckpoint(good)).stateDict["layer.weight"]!.data[0]).toBe(3);
  });

  it("raises a failure at the end of the fit", async () => {
    writeFileSync(join(folder, "file"), "");
    class Save extends Callback {
      override async onTrainEnd(trainer: Trainer): Promise<void> {
        await trainer.saveCheckpoint(join(folder, "file", "bad.safetensors"));
      }
    }
    const trainer = new Trainer({
      maxEpochs: 1,
      logger: false,
      enableProgressBar: false,
      callbacks: new Save(),
      checkpointIO: new AsyncCheckpointIO(),
    });
    const error = await failureOf(trainer.fit(new BoringModel(), { train: boringBatches(1) }));
    expect(error.code).toBe("ERR_FILE_WRITE");
    expect(trainer.state.status).toBe("interrupted");
  });

  it("gives back what it has not written yet", async () => {
    const io = new AsyncCheckpointIO();
    const path = join(folder, "a.safetensors");
    io.saveCheckpoint(path, checkpoint(16, 5));
    expect((await io.loadCheckpoint(path)).stateDict["layer.weight"]!.data[0]).toBe(5);
    io.removeCheckpoint(path);
    await io.teardown();
    expect(existsSync(path)).toBe(false);
  });
});

describe("memory", () => {
  it("holds the arrays of a large checkpoint once while it is written", async () => {
    const megabytes = 128;
    const large = checkpoint((megabytes * 2 ** 20) / 4);
    const before = process.memoryUsage();
    let most = 0;
    const path = join(folder, "large.safetensors");
    const writing = writeCheckpoint(path, large);
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 1);
    await writing.finally(() => clearInterval(timer));
    expect(statSync(path).size).toBeGreaterThan(megabytes * 2 ** 20);
    expect(most - before.arrayBuffers).toBeLessThan((megabytes / 4) * 2 ** 20);
  });
});

describe("the version in checkpoints", () => {
  it("is the package's", () => {
    const file = join(import.meta.dirname, "..", "..", "package.json");
    const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
    expect(VERSION).toBe(version);
  });
});
