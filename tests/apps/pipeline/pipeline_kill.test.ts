/** A pipeline that is killed at ten moments ends with the result of one that was left alone, and repeats no finished stage. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { bundleProgram } from "../../../bench/bundle.js";
import { startNode } from "../../support/node_process.js";

const KILLS = 10;

async function prepare(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kindling-pipeline-"));
  mkdirSync(join(folder, "input"));
  for (const [i, text] of ["the quick brown fox jumps over", "the lazy dog and runs away"].entries())
    writeFileSync(join(folder, "input", `${i}.txt`), text);
  return folder;
}

function finishedStages(folder: string): string[] {
  const stages = join(folder, "pipeline", "stages");
  if (!existsSync(stages)) return [];
  return readdirSync(stages).filter((stage) =>
    readdirSync(join(stages, stage)).some((key) => existsSync(join(stages, stage, key, "result.json"))),
  );
}

function began(folder: string): string[] {
  const log = join(folder, "began.log");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
}

it("goes on where it was", { timeout: 240_000 }, async () => {
  const program = bundleProgram(resolve(import.meta.dirname, "pipeline_process.ts"));
  const [whole, broken] = [await prepare(), await prepare()];
  const undisturbed = startNode(program, [whole]);
  expect(await undisturbed.ended, undisturbed.errors()).toBe(0);
  expect(began(whole).sort()).toEqual(["count", "report", "reversed", "upper", "words"]);

  let killed = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const finished = finishedStages(broken);
    const before = began(broken).length;
    const life = startNode(program, [broken]);
    while (!life.lines.includes("ready") && life.child.exitCode === null) await setTimeout(1);
    // Ten moments from the first stage's beginning to the last one's end.
    await setTimeout(10 + kill * 7);
    life.child.kill("SIGKILL");
    if ((await life.ended) === "SIGKILL") killed++;
    for (const stage of began(broken).slice(before)) expect(finished).not.toContain(stage);
  }
  expect(killed).toBeGreaterThan(KILLS / 2);
  const finished = finishedStages(broken);
  const before = began(broken).length;
  const last = startNode(program, [broken]);
  expect(await last.ended, last.errors()).toBe(0);
  expect(last.lines.at(-1)).toBe(undisturbed.lines.at(-1));
  for (const stage of began(broken).slice(before)) expect(finished).not.toContain(stage);

  const again = startNode(program, [broken]);
  expect(await again.ended, again.errors()).toBe(0);
  expect(again.lines).toEqual(["ready", undisturbed.lines.at(-1)]);
});
