/** Ranks that fail, are killed, have less data or another program: nobody waits, and everybody says who it was. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasMpi, runRanks, train, type Ended, type RunOptions } from "./support/run_ranks.js";

const timeout = 240_000;
const PROGRAMS = "kindling-failing-";

function start(options: Record<string, unknown>, run: RunOptions = {}): Promise<Ended> {
  const output = join(mkdtempSync(join(tmpdir(), PROGRAMS)), "rank");
  return runRanks("train_process.ts", [JSON.stringify({ output, runs: [options] })], run);
}

/** Processes of these tests that are still there. */
function leftBehind(): string[] {
  const commands = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return commands
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return ""; // it has just ended
      }
    })
    .filter((command) => command.includes(PROGRAMS));
}

describe("of two threads", () => {
  it("one that throws ends both with its error", { timeout }, async () => {
    const { code, stderr } = await start({ devices: 2, fail: { rank: 1, step: 3, how: "throw" } });
    expect(code).toBe(1);
    expect(stderr).toContain("Rank 1 has failed. RangeError: the data made no sense");
    expect(stderr.match(/Node\.js v/g)).toHaveLength(1); // one error is shown
  });

  it("rank 0's error is its own", { timeout }, async () => {
    const { code, stderr } = await start({ devices: 2, fail: { rank: 0, step: 3, how: "throw" } });
    expect(code).toBe(1);
    expect(stderr).toContain("RangeError: the data made no sense");
  });

  it("one whose loader ends early ends both", { timeout }, async () => {
    const { code, stderr } = await start({ devices: 2, fail: { rank: 1, step: 3, how: "short" } });
    expect(code).toBe(1);
    expect(stderr).toContain("Rank 1 has failed.");
    expect(stderr).toContain("announced 16 batches and gave 3");
  });

  it("one that stops stops both after the same step", { timeout }, async () => {
    const ranks = await train({ devices: 2, fail: { rank: 1, step: 5, how: "stop" } }, { ranks: 2 });
    expect(ranks.map(({ steps }) => steps)).toEqual([5, 5]);
  });

  it("a signal ends both, with a checkpoint from which one goes on", { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-signal-"));
    const { code, stderr } = await start({
      devices: 2,
      rootDir: folder,
      maxSteps: 1000,
      fail: { rank: 0, step: 4, how: "signal" },
    });
    expect(code).toBe(143);
    // A signal is heard in the next turn of the event loop, which quick steps share.
    const steps = Number(/SIGTERM has interrupted fit after (\d+) steps/.exec(stderr)?.[1]);
    expect(steps).toBeGreaterThanOrEqual(4);
    expect(steps).toBeLessThan(1000);
    const ckptPath = join(folder, "checkpoints", "interrupted.safetensors");
    const [resumed] = await train({ devices: 2, maxSteps: steps + 2, ckptPath }, { ranks: 2 });
    expect(resumed!.steps).toBe(steps + 2);
  });
});

describe.skipIf(!hasMpi)("of two processes (needs mpirun)", () => {
  it("one that throws ends both, and both name it", { timeout }, async () => {
    const { code, stderr } = await start({ fail: { rank: 1, step: 3, how: "throw" } }, { mpi: 2 });
    expect(code).not.toBe(0);
    expect(stderr).toContain("RangeError: the data made no sense");
  });

  it("one that is killed leaves no other behind", { timeout }, async () => {
    const { code, stderr, milliseconds } = await start(
      { fail: { rank: 1, step: 3, how: "kill" } },
      { mpi: 2 },
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/rank 1 .*signal 9|Rank 1 .*is lost/s);
    expect(milliseconds).toBeLessThan(timeout / 2);
    if (process.platform === "linux") expect(leftBehind()).toEqual([]);
  });

  it("one with another version of the program says so", { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-versions-"));
    const source = readFileSync(join(import.meta.dirname, "support", "versions_process.ts"), "utf8");
    const path = join(import.meta.dirname, "../../src/distributed/index.js");
    for (const version of [0, 1]) {
      writeFileSync(
        join(folder, `program${version}.mts`),
        `${source.replace("../../../src/distributed/index.js", path)}\n// ${version}\n`,
      );
    }
    writeFileSync(join(folder, "start.sh"), `exec "$@" ${folder}/program$OMPI_COMM_WORLD_RANK.mts\n`);
    const { code, stderr } = await runRanks("", [], {
      command: [
        "mpirun",
        "--oversubscribe",
        "-n",
        "2",
        "sh",
        join(folder, "start.sh"),
        process.execPath,
        "--import",
        "tsx",
      ],
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/Rank [01] runs other contents of .*program[01]\.mts than rank [01]/);
  });
});

describe("of processes that meet over TCP", () => {
  it("one that throws ends all, and the others name it", { timeout }, async () => {
    const { code, ranks } = await start({ fail: { rank: 1, step: 3, how: "throw" } }, { tcp: 3 });
    expect(code).toBe(1);
    for (const { stderr } of ranks!) expect(stderr).toContain("RangeError: the data made no sense");
    for (const rank of [0, 2]) expect(ranks![rank]!.stderr).toMatch(/Rank 1 on \S+ has failed/);
  });

  it.each([1, 0])("rank %i that is killed is named by the others, which end", { timeout }, async (killed) => {
    const { ranks } = await start({ fail: { rank: killed, step: 3, how: "kill" } }, { tcp: 3 });
    ranks!.forEach(({ code, stderr }, rank) => {
      if (rank === killed) return;
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`Rank ${killed} on \\S+ is lost`));
    });
    if (process.platform === "linux") expect(leftBehind()).toEqual([]);
  });
});

it("ranks with different numbers of batches are told before they train", { timeout }, async () => {
  const { code, stderr } = await start({ devices: 2, fail: { rank: 1, step: 0, how: "fewer" } });
  expect(code).toBe(1);
  expect(stderr).toContain("ERR_RANK_DATA");
  expect(existsSync("kindling_logs")).toBe(false);
});
