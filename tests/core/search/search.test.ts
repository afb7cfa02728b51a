/** The search: its options, its trials in every way that they can end, and its journal. */
import { appendFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { search } from "../../../src/core/tuner/search/search.js";
import { TrialPruned } from "../../../src/core/tuner/search/search_trial.js";
import type { SearchOptions } from "../../../src/core/tuner/search/search_options.js";
import { suggest } from "../../../src/core/tuner/search/space.js";
import { Study } from "../../../src/core/tuner/search/study.js";
import { InterruptedError } from "../../../src/core/signals.js";

const space = { x: suggest.float(-1, 1) };
let journal: string;
beforeEach(async () => {
  journal = join(await mkdtemp(join(tmpdir(), "kindling-search-")), "search.jsonl");
});

const states = ({ trials }: Study<typeof space>) =>
  [...trials].sort((a, b) => a.number - b.number).map(({ state }) => state);

describe("search", () => {
  it("sorts trials by value, in either direction", async () => {
    const low = await search(space, ({ x }) => x, { maxTrials: 20 });
    expect(low.bestValue).toBe(Math.min(...low.trials.map(({ value }) => value!)));
    expect(low.bestParameters).toEqual({ x: low.bestValue });
    const values = low.trials.map(({ value }) => value!);
    expect(values).toEqual([...values].sort((a, b) => a - b));
    const high = await search(space, ({ x }) => x, { maxTrials: 20, direction: "maximize" });
    expect(high.bestValue).toBe(Math.max(...high.trials.map(({ value }) => value!)));
  });

  it("gives the same trials for the same seed, and others for another", async () => {
    const xs = async (seed: number) =>
      (await search(space, ({ x }) => x * x, { maxTrials: 25, seed })).trials.map(
        ({ parameters }) => parameters.x,
      );
    expect(await xs(1)).toEqual(await xs(1));
    expect(await xs(1)).not.toEqual(await xs(2));
  });

  it("runs as many trials at once as it is told to", async () => {
    let running = 0;
    let most = 0;
    const study = await search(
      space,
      async ({ x }) => {
        most = Math.max(most, ++running);
        await setTimeout(3);
        running--;
        return x;
      },
      { maxTrials: 12, concurrency: 4 },
    );
    expect([most, study.trials.length]).toEqual([4, 12]);
  });

  it("records failed, pruned and infinite trials, and finds the best of the others", async () => {
    const study = await search(
      space,
      async ({ x }, { number, ...trial }) => {
        if (number === 1) throw new RangeError("too large");
        if (number === 2) return NaN;
        if (number === 3) throw new TrialPruned();
        void trial;
        return x;
      },
      { maxTrials: 5 },
    );
    expect(states(study)).toEqual(["complete", "failed", "failed", "pruned", "complete"]);
    const errors = study.trials.filter(({ state }) => state === "failed").map(({ error }) => error);
    expect(errors).toEqual([
      "RangeError: too large",
      "The objective returned NaN, which is no finite number.",
    ]);
    expect(study.trials.map(({ state }) => state)).toEqual([
      "complete",
      "complete",
      "pruned",
      "failed",
      "failed",
    ]);
  });

  it("ends when the first trials all fail", async () => {
    const failing = search(space, () => Promise.reject(new Error("no such file")), {
      maxTrials: 50,
      journal,
    });
    await expect(failing).rejects.toMatchObject({
      code: "ERR_SEARCH_FAILED",
      message: expect.stringMatching(/3 trials.*no such file/) as string,
    });
    expect((await Study.open(journal)).trials).toHaveLength(3);
    await expect(Study.open(journal).then((study) => study.best)).rejects.toMatchObject({
      code: "ERR_SEARCH_EMPTY",
    });
  });

  it("begins no trial after its time, and fails those that take too long", async () => {
    const start = performance.now();
    const study = await search(space, async ({ x }) => setTimeout(20, x), {
      maxTrials: Infinity,
      timeout: { milliseconds: 100 },
    });
    expect(performance.now() - start).toBeLessThan(5000);
    expect(states(study).every((state) => state === "complete")).toBe(true);

    let aborted = false;
    const slow = await search(
      space,
      async ({ x }, { number, signal }) => {
        if (number !== 1) return x;
        signal.addEventListener("abort", () => (aborted = true));
        return new Promise<number>(() => undefined);
      },
      { maxTrials: 3, trialTimeout: { milliseconds: 30 } },
    );
    expect(states(slow)).toEqual(["complete", "failed", "complete"]);
    expect(slow.trials.at(-1)!.error).toMatch(/ERR_TRIAL_TIMEOUT.*0.03 s/);
    expect(aborted).toBe(true);
  });

  it("is called off by its signal and by an interrupted Trainer, and goes on later", async () => {
    const off = new AbortController();
    const objective = async (x: number, number: number) => {
      if (number === 2) off.abort(new Error("enough"));
      return x;
    };
    await expect(
      search(space, ({ x }, { number }) => objective(x, number), {
        maxTrials: 5,
        journal,
        signal: off.signal,
      }),
    ).rejects.toThrow("enough");
    expect(states((await Study.open(journal)) as Study<typeof space>)).toEqual([
      "complete",
      "complete",
      "interrupted",
    ]);
    await expect(
      search(space, () => Promise.reject(new InterruptedError("SIGINT", "fit.")), { maxTrials: 5, journal }),
    ).rejects.toBeInstanceOf(InterruptedError);
    const study = await search(space, ({ x }) => x, { maxTrials: 5, journal });
    expect(states(study)).toEqual(Array(5).fill("complete"));
    expect(study.trials.find(({ number }) => number === 2)!.attempts).toBe(3);
  });

  it("prunes what reports worse than others, whatever the objective returns then", async () => {
    const seen: boolean[] = [];
    const study = await search(
      space,
      async (_, trial) => {
        for (const step of [1, 2, 3, 4]) {
          await trial.report(trial.number, step);
          if (trial.shouldPrune) break;
        }
        seen.push(trial.shouldPrune);
        return trial.number;
      },
      { maxTrials: 4, pruner: "asha" },
    );
    expect(seen).toEqual([false, true, true, true]);
    expect(states(study)).toEqual(["complete", "pruned", "pruned", "pruned"]);
    expect(study.trials.map(({ reports }) => reports.length)).toEqual([4, 1, 1, 1]);
  });

  it("tells of every trial that ends", async () => {
    const told: number[] = [];
    await search(space, ({ x }) => x, { maxTrials: 4, onTrialEnd: ({ number }) => told.push(number) });
    expect(told).toEqual([0, 1, 2, 3]);
  });

  const wrong: [SearchOptions, RegExp][] = [
    [{ sampler: "tpee" as "tpe" }, /Did you mean "tpe"/],
    [{ pruner: "hyperband" as "asha" }, /"asha", "none"/],
    [{ direction: "min" as "minimize" }, /"minimize", "maximize"/],
    [{ maxTrials: 0 }, /maxTrials.*at least 1, not 0/],
    [{ concurrency: 1.5 }, /concurrency.*not 1.5/],
    [{ maxTrials: Infinity }, /no end/],
    [{ maxTrial: 3 } as SearchOptions, /Did you mean "maxTrials"/],
    [{ seed: NaN }, /seed NaN/],
  ];
  it.each(wrong)("refuses %o", async (options, message) => {
    await expect(search(space, () => 1, options as SearchOptions<typeof space>)).rejects.toMatchObject({
      code: "ERR_SEARCH_OPTION",
      message: expect.stringMatching(message) as string,
    });
  });

  it("refuses reports that do not go forward", async () => {
    await expect(
      search(space, async (_, trial) => {
        await trial.report(1, 2);
        await trial.report(1, 2);
        return 1;
      }),
    ).rejects.toMatchObject({
      code: "ERR_SEARCH_FAILED",
      message: expect.stringContaining("ERR_SEARCH_REPORT") as string,
    });
  });
});

describe("the journal", () => {
  it("has a line for everything, and a finished search has nothing left to do", async () => {
    const first = await search(space, ({ x }) => x, { maxTrials: 3, journal });
    const text = await readFile(journal, "utf8");
    expect(
      text
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { event: string }).event),
    ).toEqual(["study", "start", "end", "start", "end", "start", "end"]);
    const again = await search(space, () => Promise.reject(new Error("not called")), {
      maxTrials: 3,
      journal,
    });
    expect(again.trials).toEqual(first.trials);
    expect(await readFile(journal, "utf8")).toBe(text);
    expect((await Study.open(journal)).trials).toEqual(first.trials);
  });

  it("leaves out a line that was half written, and tells of it", async () => {
    await search(space, ({ x }) => x, { maxTrials: 2, journal });
    await appendFile(journal, '{"event":"start","trial":2,"assig');
    expect((await Study.open(journal)).damaged).toEqual([
      { line: 6, text: '{"event":"start","trial":2,"assig' },
    ]);
    const study = await search(space, ({ x }) => x, { maxTrials: 4, journal });
    expect(states(study)).toEqual(Array(4).fill("complete"));
    expect(study.damaged).toEqual([{ line: 6, text: '{"event":"start","trial":2,"assig' }]);
    expect((await Study.open(journal)).damaged).toHaveLength(1);
  });

  it("tries a trial whose process is gone again, but not for ever", async () => {
    const process = { host: (await import("node:os")).hostname(), pid: 2 ** 22 + 1, began: "never" };
    const start = (trial: number) =>
      JSON.stringify({
        event: "start",
        trial,
        assignment: { x: trial / 10 },
        process,
        time: new Date().toISOString(),
      });
    const lines = [{ event: "study", format: 1, direction: "minimize", space }].map((entry) =>
      JSON.stringify(entry),
    );
    await writeFile(
      journal,
      `${[...lines, start(0), ...Array.from({ length: 5 }, () => start(1))].join("\n")}\n`,
    );
    const study = await search(space, ({ x }) => x, { maxTrials: 3, journal });
    expect(states(study)).toEqual(["complete", "failed", "complete"]);
    expect(study.trials.find(({ number }) => number === 0)).toMatchObject({ value: 0, attempts: 2 });
    expect(study.trials.at(-1)!.error).toMatch(/gone 5 times/);
  });

  it("is refused where it is of another search, or none", async () => {
    await search(space, ({ x }) => x, { maxTrials: 1, journal });
    const other = { x: suggest.float(-1, 2) };
    await expect(search(other, () => 1, { journal })).rejects.toMatchObject({
      code: "ERR_SEARCH_JOURNAL",
      message: expect.stringMatching(/another space/) as string,
    });
    await expect(search(space, () => 1, { journal, direction: "maximize" })).rejects.toMatchObject({
      code: "ERR_SEARCH_JOURNAL",
    });
    await writeFile(`${journal}.txt`, "hello\n");
    await expect(Study.open(`${journal}.txt`)).rejects.toMatchObject({ code: "ERR_SEARCH_JOURNAL" });
    await expect(Study.open(`${journal}.none`)).rejects.toMatchObject({ code: "ERR_JOURNAL_READ" });
    await expect(search(space, () => 1, { journal: join(journal, "inside") })).rejects.toMatchObject({
      code: "ERR_JOURNAL_WRITE",
    });
  });
});
