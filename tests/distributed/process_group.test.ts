/** Collectives of all backends beside what is computed without them. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { commandOf, hasMpi, runRanks, type RunOptions } from "./support/run_ranks.js";

const hasMpich = spawnSync("mpiexec.mpich", ["--version"]).status === 0;

interface Report {
  rank: number;
  size: number;
  checks: number;
  problems: string[];
}

async function reports(args: string[], options: RunOptions = {}): Promise<Report[]> {
  const { code, stdout, stderr } = await runRanks("collectives_process.ts", args, options);
  expect(code, stdout + stderr).toBe(0);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Report).sort((a, b) => a.rank - b.rank);
}

describe("the collectives", () => {
  for (const ranks of [2, 3]) {
    it(`of ${ranks} threads give what was computed`, { timeout: 180_000 }, async () => {
      const all = await reports(["local", String(ranks)]);
      expect(all.map(({ rank, size }) => [rank, size])).toEqual(
        Array.from({ length: ranks }, (_, rank) => [rank, ranks]),
      );
      for (const { problems, checks } of all) {
        expect(problems).toEqual([]);
        expect(checks).toBeGreaterThan(100);
      }
    });
  }

  it.skipIf(!hasMpi)("of 3 processes of mpirun do too (needs mpirun)", { timeout: 180_000 }, async () => {
    expectRight(await reports(["mpi"], { mpi: 3 }));
  });

  it.skipIf(!hasMpich)(
    "of 3 processes of MPICH do too (needs mpiexec.mpich)",
    { timeout: 180_000 },
    async () => {
      const command = ["mpiexec.mpich", "-n", "3", ...commandOf("collectives_process.ts", ["mpi"])];
      expectRight(await reports(["mpi"], { command }));
    },
  );

  it.skipIf(!hasMpich)(
    "leave the C library as it is, whose functions V8's threads are running (needs mpiexec.mpich)",
    { timeout: 60_000 },
    async () => {
      const command = ["mpiexec.mpich", "-n", "1", ...commandOf("unpatched_process.ts", [])];
      const { code, stdout, stderr } = await runRanks("unpatched_process.ts", [], { command });
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toEqual([]);
    },
  );

  it("of 3 processes that meet over TCP do too", { timeout: 180_000 }, async () => {
    expectRight(await reports(["tcp"], { tcp: 3 }));
  });

  function expectRight(all: readonly Report[]): void {
    expect(all.map(({ rank }) => rank)).toEqual([0, 1, 2]);
    for (const { problems } of all) expect(problems).toEqual([]);
  }
});
