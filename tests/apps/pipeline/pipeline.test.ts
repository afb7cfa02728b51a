/** Pipelines: what runs again and what does not, failures and retries, stages at once, and schedules. */
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { inputFiles } from "../../../src/apps/input_files.js";
import { Pipeline } from "../../../src/apps/pipeline.js";
import type { StageContext } from "../../../src/apps/stage.js";
import { InterruptedError } from "../../../src/core/signals.js";

let folder: string;
let ran: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindling-pipeline-"));
  ran = [];
});

const make = (concurrency = 4) => new Pipeline({ folder: join(folder, "pipeline"), concurrency });
const note = (name: string) => ran.push(name);

describe("a stage", () => {
  /** Reads a number from a file, halves it to an integer, and adds one to that. */
  function numbers({ version = 1, plus = 1 } = {}): Pipeline {
    const pipeline = make();
    const half = pipeline.stage("half", {
      inputs: { files: inputFiles("*.txt", { cwd: folder }) },
      version,
      run: ({ files }) => {
        note("half");
        return files.map((file) => Math.floor(Number(readFileSync(file, "utf8")) / 2));
      },
    });
    pipeline.stage("sum", {
      inputs: { half, plus },
      run: ({ half, plus }, { folder }) => {
        note("sum");
        const sum = half.result.reduce((a, b) => a + b, plus);
        writeFileSync(join(folder, "sum.txt"), String(sum));
        return { sum };
      },
    });
    return pipeline;
  }
  const result = async (pipeline: Pipeline) => {
    ran = [];
    const { sum } = await pipeline.run();
    return [(sum!.result as { sum: number }).sum, readFileSync(join(sum!.folder, "sum.txt"), "utf8"), ...ran];
  };

  it("runs again when what it depends on has other contents, and only then", async () => {
    writeFileSync(join(folder, "a.txt"), "10");
    expect(await result(numbers())).toEqual([6, "6", "half", "sum"]);
    expect(await result(numbers())).toEqual([6, "6"]);
    // Another time, the same contents.
    writeFileSync(join(folder, "a.txt"), "10");
    utimesSync(join(folder, "a.txt"), 1, 1);
    expect(await result(numbers())).toEqual([6, "6"]);
    // Other contents with the same result: what follows is not run again.
    writeFileSync(join(folder, "a.txt"), "11");
    expect(await result(numbers())).toEqual([6, "6", "half"]);
    writeFileSync(join(folder, "b.txt"), "4");
    expect(await result(numbers())).toEqual([8, "8", "half", "sum"]);
    // A file with another name is another input.
    rmSync(join(folder, "b.txt"));
    writeFileSync(join(folder, "c.txt"), "4");
    expect(await result(numbers())).toEqual([8, "8", "half"]);
    expect(await result(numbers({ plus: 2 }))).toEqual([9, "9", "sum"]);
    expect(await result(numbers({ version: 2 }))).toEqual([8, "8", "half"]);
    // The results before are kept.
    expect(await result(numbers({ plus: 2 }))).toEqual([9, "9"]);
  });

  it("runs again when its files were changed or removed", async () => {
    writeFileSync(join(folder, "a.txt"), "10");
    const { sum } = await numbers().run();
    writeFileSync(join(sum!.folder, "sum.txt"), "7");
    expect(await result(numbers())).toEqual([6, "6", "sum"]);
    rmSync(join(sum!.folder, "sum.txt"));
    expect(await result(numbers())).toEqual([6, "6", "sum"]);
    writeFileSync(
      join(
        folder,
        "pipeline",
        "stages",
        "sum",
        readdirSync(join(folder, "pipeline", "stages", "sum"))[0]!,
        "result.json",
      ),
      "{",
    );
    expect(await result(numbers())).toEqual([6, "6", "sum"]);
  });

  it("keeps its last three results", async () => {
    writeFileSync(join(folder, "a.txt"), "10");
    for (const plus of [1, 2, 3, 4, 5]) {
      await numbers({ plus }).run();
      await setTimeout(2);
    }
    expect(readdirSync(join(folder, "pipeline", "stages", "sum"))).toHaveLength(3);
    expect(await result(numbers({ plus: 3 }))).toEqual([8, "8"]);
  });

  it("gives back undefined fields and nothing at all as JSON does, and refuses what JSON loses", async () => {
    const run = async (value: unknown) => {
      const pipeline = new Pipeline({ folder: await mkdtemp(join(folder, "results-")) });
      pipeline.stage("value", { run: () => value });
      return [(await pipeline.run()).value!.result, (await pipeline.run()).value!.result];
    };
    expect(await run({ a: 1, b: undefined })).toEqual([{ a: 1 }, { a: 1 }]);
    expect(await run(undefined)).toEqual([undefined, undefined]);
    for (const value of [NaN, new Map(), new Date(), { f: () => 1 }, [undefined], new Float32Array(2)])
      await expect(run(value)).rejects.toThrow(/ERR_PIPELINE_RESULT.*JSON cannot hold/s);
  });
});

describe("a run", () => {
  it("tries again after failures, finds its scratch folder as it was, and has an empty one for results", async () => {
    const pipeline = make();
    const seen: unknown[] = [];
    pipeline.stage("flaky", {
      retries: 2,
      retryDelay: { milliseconds: 1 },
      run: ({}, { folder, scratch, attempt }: StageContext) => {
        seen.push([attempt, readdirSync(folder).length, readdirSync(scratch).length]);
        writeFileSync(join(folder, `${attempt}`), "");
        writeFileSync(join(scratch, `${attempt}`), "");
        if (attempt < 3) throw new Error("not yet");
        return attempt;
      },
    });
    const { flaky } = await pipeline.run();
    expect(flaky!.result).toBe(3);
    expect(seen).toEqual([
      [1, 0, 0],
      [2, 0, 1],
      [3, 0, 2],
    ]);
    expect(existsSync(join(flaky!.folder, "..", "scratch"))).toBe(false);
    expect(await pipeline.status()).toMatchObject([{ stage: "flaky", state: "finished", attempts: 3 }]);
  });

  it("does what it can when a stage fails, and goes on from there", async () => {
    let isBroken = true;
    const build = () => {
      const pipeline = make();
      const bad = pipeline.stage("bad", {
        run: () => {
          note("bad");
          if (isBroken) throw new RangeError("no such column");
          return 1;
        },
      });
      const good = pipeline.stage("good", { run: async () => (await setTimeout(20), note("good"), 2) });
      pipeline.stage("both", { inputs: { bad, good }, run: ({ bad, good }) => bad.result + good.result });
      return pipeline;
    };
    const failing = build().run();
    await expect(failing).rejects.toMatchObject({
      code: "ERR_PIPELINE_STAGE",
      message: expect.stringMatching(/one has failed. "bad": no such column/) as string,
      cause: expect.any(RangeError) as RangeError,
    });
    expect((await build().status()).map(({ state }) => state)).toEqual(["failed", "finished", "skipped"]);
    isBroken = false;
    expect((await build().run()).both!.result).toBe(3);
    expect(ran).toEqual(["bad", "good", "bad"]);
    expect((await build().status()).map(({ state }) => state)).toEqual(["finished", "reused", "finished"]);
  });

  it("runs stages at once, but not more than it is told to", async () => {
    let running = 0;
    let most = 0;
    const pipeline = make(2);
    for (const name of ["a", "b", "c", "d"]) {
      pipeline.stage(name, {
        run: async () => {
          most = Math.max(most, ++running);
          // The first one waits for company.
          while (most < 2) await setTimeout(1);
          await setTimeout(10);
          running--;
        },
      });
    }
    await pipeline.run();
    expect(most).toBe(2);
  });

  it("tells of every change, and waits for another run in the same folder", async () => {
    const build = () => {
      const pipeline = make();
      pipeline.stage("slow", { run: async () => (await setTimeout(30), note("slow"), 1) });
      return pipeline;
    };
    const states: string[] = [];
    const [first, second] = [build(), build()];
    await Promise.all([
      first.run({ onStatus: ({ state }) => states.push(state) }),
      setTimeout(5).then(() => second.run({ onStatus: ({ state }) => states.push(state) })),
    ]);
    expect(states).toEqual(["running", "finished", "reused"]);
    expect(ran).toEqual(["slow"]);
  });

  it("is called off by its signal and by an interrupted Trainer", async () => {
    const pipeline = make();
    const off = new AbortController();
    let reason: unknown;
    pipeline.stage("endless", {
      retries: 5,
      run: async (_, { signal }) => {
        off.abort(new Error("enough"));
        reason = signal.reason;
        return 1;
      },
    });
    await expect(pipeline.run({ signal: off.signal })).rejects.toThrow("enough");
    expect(reason).toEqual(new Error("enough"));
    expect(await pipeline.status()).toMatchObject([{ state: "interrupted", attempts: 1 }]);

    const training = make();
    training.stage("train", {
      retries: 5,
      run: () => Promise.reject(new InterruptedError("SIGTERM", "fit.")),
    });
    await expect(training.run()).rejects.toBeInstanceOf(InterruptedError);
  });

  it("fails stages whose input files are missing", async () => {
    const pipeline = make();
    pipeline.stage("read", { inputs: { table: inputFiles("none.csv", { cwd: folder }) }, run: () => 1 });
    await expect(pipeline.run()).rejects.toThrow(
      /ERR_PIPELINE_INPUT: The input table of the stage read names .*none\.csv/,
    );
    const empty = make();
    empty.stage("read", {
      inputs: { tables: inputFiles("*.csv", { cwd: folder }) },
      run: ({ tables }) => tables.length,
    });
    expect((await empty.run()).read!.result).toBe(0);
  });
});

describe("options", () => {
  it("are checked", () => {
    const pipeline = make();
    const run = () => 1;
    const stage = pipeline.stage("a", { run });
    expect(() => pipeline.stage("a", { run })).toThrow(/two stages named "a"/);
    expect(() => pipeline.stage("a/b", { run })).toThrow(/letters, digits/);
    expect(() => pipeline.stage("b", { run, retries: -1 })).toThrow(/retries of the stage b/);
    expect(() => pipeline.stage("b", { run, inputs: { x: new Date() as never } })).toThrow(/input x of b/);
    expect(() => pipeline.stage("b", { run, inputs: { x: NaN } })).toThrow(/JSON can hold/);
    expect(() => pipeline.stage("b", { run: "train.js" as never })).toThrow(/neither a function nor a URL/);
    expect(() => make().stage("b", { run, inputs: { stage } })).toThrow(/another pipeline/);
    expect(() => new Pipeline({ folder: "", concurrency: 1 })).toThrow(/folder must be a path/);
    expect(() => new Pipeline({ folder, concurrency: 0 })).toThrow(/concurrency/);
    expect(() => pipeline.schedule("every day")).toThrow(
      expect.objectContaining({ code: "ERR_PIPELINE_SCHEDULE" }) as Error,
    );
  });
});

describe("a schedule", () => {
  it("runs at its times until it is stopped", async () => {
    const pipeline = make();
    pipeline.stage("tick", {
      inputs: { files: inputFiles("*.txt", { cwd: folder }) },
      run: ({ files }) => note(String(files.length)),
    });
    const schedule = pipeline.schedule("* * * * * *");
    expect(schedule.next!.getTime() - Date.now()).toBeLessThanOrEqual(1000);
    while (ran.length < 1) await setTimeout(10);
    writeFileSync(join(folder, "a.txt"), "");
    while (ran.length < 2) await setTimeout(10);
    await schedule.stop();
    await schedule.done;
    expect(schedule.next).toBeUndefined();
    expect(ran).toEqual(["0", "1"]);
  });

  it("reads patterns in a time zone, ends with an error, or tells of it and goes on", async () => {
    const pipeline = make();
    pipeline.stage("fail", { run: () => Promise.reject(new Error("always")) });
    const yearly = pipeline.schedule("30 4 1 7 *", { timezone: "Asia/Kolkata" });
    // Half past four in a zone five and a half hours ahead of UTC.
    expect(yearly.next!.toISOString()).toMatch(/-06-30T23:00:00/);
    await yearly.stop();
    await expect(pipeline.schedule("* * * * * *").done).rejects.toThrow(/always/);
    const errors: unknown[] = [];
    const schedule = pipeline.schedule("* * * * * *", { onError: (error) => errors.push(error) });
    while (errors.length < 2) await setTimeout(10);
    await schedule.stop();
  });
});
