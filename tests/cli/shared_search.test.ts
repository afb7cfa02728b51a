/** `kindling search` in several processes that share a journal, of which one is killed and started again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { parse } from "yaml";
import { bundleProgram } from "../../bench/bundle.js";
import { Study } from "../../src/core/tuner/search/study.js";
import type { StudyEntry } from "../../src/core/tuner/search/study_state.js";
import { startNode, type NodeProcess } from "../support/node_process.js";

const TRIALS = 10;

const folder = mkdtempSync(join(tmpdir(), "kindling-shared-search-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => join(folder, name);

function readEntries(journal: string): StudyEntry[] {
  try {
    const lines = readFileSync(journal, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as StudyEntry);
  } catch {
    return [];
  }
}

/** The trials that a process has begun. */
function begunBy({ child }: NodeProcess, entries: readonly StudyEntry[]): number[] {
  return entries.flatMap((entry) =>
    entry.event === "start" && entry.process.pid === child.pid ? [entry.trial] : [],
  );
}

it(
  "ends bad trials early, loses none, and holds back the same samples everywhere",
  { timeout: 400_000 },
  async () => {
    const rows = Array.from({ length: 24 }, (_, i) => `good happy day ${i},fine\nsad bad night ${i},poor\n`);
    writeFileSync(inFolder("texts.csv"), `text,label\n${rows.join("")}`);
    writeFileSync(inFolder("space.yaml"), "learningRate: {type: categorical, choices: [1.0e-9, 0.02]}\n");
    const [journal, best] = [inFolder("trials.jsonl"), inFolder("best.yaml")];
    const program = bundleProgram(resolve(import.meta.dirname, "../../src/cli/bin.ts"));
    const search = () =>
      startNode(program, [
        ...["search", "text-classifier", "--train", inFolder("texts.csv"), "--val-split", "0.25"],
        ...["--space", inFolder("space.yaml"), "--journal", journal, "--max-trials", String(TRIALS)],
        ...["--max-epochs", "5", "--pruner", "asha", "--best", best, "--overwrite"],
      ]);

    const [killed, other] = [search(), search()];
    for (;;) {
      const entries = readEntries(journal);
      const ended = entries.flatMap((entry) => (entry.event === "end" ? [entry.trial] : []));
      const isUnderWay = begunBy(killed, entries).some((trial) => !ended.includes(trial));
      if (isUnderWay && begunBy(other, entries).length > 0) break;
      expect([killed.child.exitCode, other.child.exitCode], killed.errors() + other.errors()).toEqual([
        null,
        null,
      ]);
      await setTimeout(2);
    }
    killed.child.kill("SIGKILL");
    const again = search();
    expect(await killed.ended).toBe("SIGKILL");
    for (const process of [other, again]) expect(await process.ended, process.errors()).toBe(0);

    const entries = readEntries(journal);
    const ends = entries.filter((entry) => entry.event === "end").map(({ trial }) => trial);
    expect(ends.sort((a, b) => a - b)).toEqual(Array.from({ length: TRIALS }, (_, i) => i));
    const starts = entries.filter((entry) => entry.event === "start").map(({ trial }) => trial);
    expect(starts.length).toBeGreaterThan(TRIALS);

    const { trials, best: found } = await Study.open(journal);
    const states = new Set(trials.map(({ state }) => state));
    expect(states).toEqual(new Set(["complete", "pruned"]));
    // The seed is everybody's, so that what differs between trials is their parameters alone.
    for (const { parameters, reports } of trials) {
      const alike = trials.find((trial) => trial.parameters.learningRate === parameters.learningRate)!;
      expect(reports[0]!.value).toBe(alike.reports[0]!.value);
    }
    expect(parse(readFileSync(best, "utf8"))).toMatchObject({ seed: 0, model: found.parameters });
  },
);
