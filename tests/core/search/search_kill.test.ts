/** Searches that share a journal and are killed again and again: no finished trial is lost or begun again. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { bundleProgram } from "../../../bench/bundle.js";
import { search } from "../../../src/core/tuner/search/search.js";
import { suggest } from "../../../src/core/tuner/search/space.js";
import { Study } from "../../../src/core/tuner/search/study.js";
import type { StudyEntry } from "../../../src/core/tuner/search/study_state.js";
import { startNode } from "../../support/node_process.js";

const TRIALS = 60;
const KILLS = 4;

async function entriesOf(journal: string): Promise<StudyEntry[]> {
  const lines = (await readFile(journal, "utf8")).split("\n");
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as StudyEntry];
    } catch {
      return [];
    }
  });
}

it("goes on after SIGKILL, in several processes at once", { timeout: 180_000 }, async () => {
  const program = bundleProgram(resolve(import.meta.dirname, "search_process.ts"));
  const journal = join(await mkdtemp(join(tmpdir(), "kindling-search-")), "search.jsonl");
  for (let kill = 0; kill < KILLS; kill++) {
    let begun = 0;
    const onLine = () => void begun++;
    const processes = [0, 1].map(() => startNode(program, [journal, String(TRIALS)], onLine));
    // Two trials of each process are under way most of the time.
    while (begun < 5 && processes.every(({ child }) => child.exitCode === null)) await setTimeout(1);
    await setTimeout(kill * 3);
    for (const { child } of processes) child.kill("SIGKILL");
    const ends = await Promise.all(processes.map(({ ended }) => ended));
    expect(ends, processes.map(({ errors }) => errors()).join("\n")).toEqual(["SIGKILL", "SIGKILL"]);
  }
  const last = startNode(program, [journal, String(TRIALS)]);
  expect(await last.ended, last.errors()).toBe(0);

  const entries = await entriesOf(journal);
  const ends = entries.filter((entry) => entry.event === "end").map(({ trial }) => trial);
  expect([...ends].sort((a, b) => a - b)).toEqual(Array.from({ length: TRIALS }, (_, i) => i));
  const restarted = new Set<number>();
  for (const [i, entry] of entries.entries()) {
    if (entry.event !== "start") continue;
    const before = entries
      .slice(0, i)
      .filter((other) => other.event !== "study" && other.trial === entry.trial);
    expect(before.filter((other) => other.event === "end")).toEqual([]);
    const first = before.find((other) => other.event === "start");
    if (first !== undefined) restarted.add(entry.trial);
    // What is begun again has the same parameters.
    expect(entry.assignment).toEqual(first?.assignment ?? entry.assignment);
  }
  expect(restarted.size).toBeGreaterThan(0);
  const study = await Study.open(journal);
  expect(
    study.trials.every(({ state, value, parameters }) => {
      const { x, kind } = parameters as { x: number; kind: string };
      return state === "complete" && value === x * x + (kind === "a" ? 1 : 0);
    }),
  ).toBe(true);
});

it("ends a killed search of one trial at a time as one that was left alone", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindling-search-"));
  const space = { x: suggest.float(0, 1), layers: suggest.int(1, 4) };
  const run = async (journal: string | undefined, lives: number[]) => {
    for (const trials of lives) {
      const off = new AbortController();
      await search(
        space,
        ({ x, layers }, { number }) => {
          if (number === trials) off.abort(new Error("called off"));
          return (x - 0.3) ** 2 + layers;
        },
        { maxTrials: 30, seed: 3, journal: journal && join(folder, journal), signal: off.signal },
      ).catch((error: Error) => expect(error.message).toBe("called off"));
    }
    return (await search(space, () => 0, { maxTrials: 30, seed: 3, journal: join(folder, journal!) })).trials;
  };
  const what = (trials: Awaited<ReturnType<typeof run>>) =>
    trials.map(({ number, value, parameters }) => ({ number, value, parameters }));
  expect(what(await run("broken.jsonl", [3, 14, 15, 29, Infinity]))).toEqual(
    what(await run("whole.jsonl", [Infinity])),
  );
});
