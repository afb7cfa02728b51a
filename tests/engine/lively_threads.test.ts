/** Threads of a session's own: who gets some, how many there can be, and that they end with the session. */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import { OrtArray, Session } from "../../src/engine/runtime/index.js";
import { smallModel } from "../support/small_model.js";

const isLinux = process.platform === "linux";
const others = availableParallelism() - 1;
const countThreads = () => readdirSync("/proc/self/task").length;

const open = (lively: boolean) =>
  new Session(
    smallModel({
      nodes: [["MatMul", ["a", "a"], ["b"]]],
      inputs: { a: [1, [64, 64]] },
      outputs: { b: [1, [64, 64]] },
    }),
    { lively },
  );

/** A chain of operators, none of which can be left out. */
function chain(length: number): tf.Tensor {
  let x: tf.Tensor = tf.ones([8, 8]);
  for (let i = 0; i < length; i++) x = tf.sin(x);
  return x;
}

describe.skipIf(!isLinux || others === 0)("lively threads (needs Linux and two cores)", () => {
  // Node's own threads begin when they are first needed, and would be counted.
  beforeAll(() => Promise.all(Array.from({ length: 16 }, () => readFile(import.meta.filename))));

  it("are a session's own, compute the same, and end with it", () => {
    const a = OrtArray.wrap("float32", Float32Array.from({ length: 4096 }, Math.sin), [64, 64]);
    const shared = open(false);
    const before = countThreads();
    const lively = open(true);
    expect(countThreads()).toBe(before + others);
    expect(lively.run([a], [undefined])[0]!.data).toEqual(shared.run([a], [undefined])[0]!.data);
    lively.dispose();
    expect(countThreads()).toBe(before);
    shared.dispose();
  });

  it("are given back where the model is refused", () => {
    const before = countThreads();
    for (let i = 0; i < 300; i++)
      expect(() => new Session(new Uint8Array(8), { lively: true })).toThrow("refused");
    const session = open(true);
    expect(countThreads()).toBe(before + others);
    session.dispose();
  });

  it("are 256 at most, and what comes later shares", () => {
    const before = countThreads();
    const sessions = Array.from({ length: Math.floor(256 / others) + 3 }, () => open(true));
    const added = countThreads() - before;
    expect(added).toBeGreaterThan(256 - others);
    expect(added).toBeLessThanOrEqual(256);
    for (const session of sessions) session.dispose();
    expect(countThreads()).toBe(before);
  });

  it("are for graphs of many operators", async () => {
    await engine.use({ accelerator: "cpu" });
    chain(3).dataSync();
    const before = countThreads();
    chain(4).dataSync();
    expect(countThreads()).toBe(before);
    chain(20).dataSync();
    expect(countThreads()).toBe(before + others);
  });
});
