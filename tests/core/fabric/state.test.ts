/** Saving and loading in Fabric: exact to the bit and the batch, and clear where it does not fit. */
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import "../../support/backend.js";
import { Fabric, decodeSafetensors, encodeSafetensors, randomState } from "../../../src/core/index.js";
import { ArrayDataset, DataLoader } from "../../../src/data/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { AdamW, Dropout, Linear, mseLoss, Sequential, WarmupCosine } from "../../../src/nn/index.js";
import { Generator, seedEverything } from "../../../src/random.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindling-"));
});

async function launch(): Promise<Fabric> {
  const fabric = new Fabric();
  await fabric.launch();
  return fabric;
}

const random = new Generator(1);
const samples = Array.from({ length: 20 }, () => ({
  input: new HostTensor(
    Float32Array.from({ length: 6 }, () => random.normal()),
    [6],
  ),
}));

/** A run over two epochs of five batches, which is saved after batch `saveAfter` and may begin from a file. */
async function run(path: string, saveAfter?: number, resume = false) {
  const fabric = await launch();
  seedEverything(resume ? 99 : 2);
  const raw = new Sequential(new Linear(6, 6), new Dropout(0.4), new Linear(6, 6));
  const adam = new AdamW(raw.parameters(), { lr: 0.05 });
  const [model, optimizer, schedule] = fabric.setup(raw, adam, {
    scheduler: new WarmupCosine(adam, { totalSteps: 10 }),
  });
  const loader = fabric.setupDataloaders(
    new DataLoader(new ArrayDataset(samples), { batchSize: 4, shuffle: true }),
  );
  const state = { model, optimizer, schedule, loader, random: randomState, progress: { epoch: 0, step: 0 } };
  if (resume) expect(await fabric.load(path, state)).toEqual({});
  for (; state.progress.epoch < 2; state.progress.epoch++) {
    loader.setEpoch(state.progress.epoch);
    for await (const { input } of loader) {
      fabric.backward(() => mseLoss(model.forward(input), input));
      optimizer.step();
      optimizer.zeroGrad();
      schedule.step();
      if (++state.progress.step === saveAfter) await fabric.save(path, state);
      if (state.progress.step === saveAfter) return [];
    }
  }
  return model.parameters().map((parameter) => [...parameter.dataSync()]);
}

describe("save and load", () => {
  it.each([3, 7])(
    "a loop goes on to the bit after batch %d, with dropout and shuffling",
    async (saveAfter) => {
      const path = join(folder, `loop${saveAfter}.ckpt`);
      const whole = await run(path);
      await run(path, saveAfter);
      expect(await run(path, undefined, true)).toEqual(whole);
    },
  );

  it("keep plain values, tensors and numbers that JSON lacks, and give what is left over", async () => {
    const fabric = await launch();
    const path = join(folder, "values.ckpt");
    const tensor = tf.tensor2d([[1, 2]]);
    await fabric.save(path, {
      best: -Infinity,
      list: [1, "two", null, true, { three: NaN }],
      tensor,
      host: new HostTensor(Uint8Array.of(1, 0), [2], "bool"),
    });
    tensor.dispose();
    const state = { best: 0 };
    const remainder = await fabric.load(path, state);
    expect(state.best).toBe(-Infinity);
    expect(remainder).toEqual({
      list: [1, "two", null, true, { three: NaN }],
      tensor: new HostTensor(Float32Array.of(1, 2), [1, 2]),
      host: new HostTensor(Uint8Array.of(1, 0), [2], "bool"),
    });
    expect(Object.keys(await fabric.load(path))).toEqual(["best", "list", "tensor", "host"]);
  });

  it("the filter chooses entries of a state dict", async () => {
    const fabric = await launch();
    const path = join(folder, "filtered.ckpt");
    const model = new Sequential(new Linear(2, 2), new Linear(2, 1));
    await fabric.save(path, { model, epoch: 3 }, { filter: { model: (name) => name.startsWith("1.") } });
    const { tensors } = decodeSafetensors(await readFile(path), path);
    expect(Object.keys(tensors).sort()).toEqual(["model.1.bias", "model.1.weight"]);
    const before = [...model.parameters()[0]!.dataSync()];
    await fabric.load(path, { model }, { strict: false });
    expect([...model.parameters()[0]!.dataSync()]).toEqual(before);
    await expect(fabric.load(path, { model })).rejects.toMatchObject({ code: "ERR_STATE_DICT_MISMATCH" });
    const save = (filter: object) => fabric.save(path, { model, epoch: 3 }, { filter: filter as never });
    await expect(save({ modle: () => true })).rejects.toThrow(
      /The filter "modle" cannot be used: there is nothing of that name in the state\. Choose one of "model", "epoch"\./,
    );
    await expect(save({ model: true })).rejects.toThrow(/it is no function. Give \(name, value\) => boolean/);
    await expect(save({ epoch: () => true })).rejects.toThrow(/what it filters has no names/);
  });

  it("loadRaw takes the file of one state dict, from here or from elsewhere", async () => {
    const fabric = await launch();
    const path = join(folder, "raw.safetensors");
    const source = new Linear(3, 2);
    await fabric.save(path, source.stateDict());
    const target = new Linear(3, 2);
    await fabric.loadRaw(path, target);
    expect([...target.weight.dataSync()]).toEqual([...source.weight.dataSync()]);
    const foreign = encodeSafetensors({
      weight: { dtype: "F32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      bias: { dtype: "F32", shape: [2], data: Float32Array.of(7, 8) },
    });
    await writeFile(path, foreign);
    await fabric.loadRaw(path, target);
    expect([...target.bias!.dataSync()]).toEqual([7, 8]);
  });

  it("say what does not fit", async () => {
    const fabric = await launch();
    const path = join(folder, "errors.ckpt");
    await fabric.save(path, { epoch: 1 });
    await expect(fabric.load(path, { epoch: 0, model: new Linear(1, 1) })).rejects.toThrow(
      /errors\.ckpt holds no model; it holds epoch\. Leave what it lacks out of the state, or pass \{ strict: false \}/,
    );
    await expect(fabric.save(path, { run: { started: new Date() } })).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_VALUE",
      message: expect.stringMatching(
        /^state\.run\.started is an object of class Date, which a checkpoint cannot hold/,
      ) as string,
    });
    expect(await fabric.load(path)).toEqual({ epoch: 1 });
    await expect(fabric.load(join(folder, "missing"))).rejects.toMatchObject({ code: "ERR_CHECKPOINT_READ" });
    const batches = fabric.setupDataloaders([[1]]);
    await expect(fabric.save(path, { batches })).rejects.toThrow(
      /A loader of class Array does not know where it stands/,
    );
  });
});
