/** Three machines: they train together, and when one is cut off the others end and say which, and training goes on later. */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canMakeHosts, Hosts } from "./support/hosts.js";
import { commandOf, distance, hasMpi, runRanks, train, type Trained } from "./support/run_ranks.js";

const timeout = 300_000;
const canRun = hasMpi && process.platform === "linux" && canMakeHosts();

describe.skipIf(!canRun)("three machines (needs mpirun and network namespaces)", () => {
  let hosts: Hosts;
  const folder = mkdtempSync(join(tmpdir(), "kindling-three-"));
  const program = (options: Record<string, unknown>) => {
    const given = { output: join(folder, "rank"), runs: [{ batchSize: 8, samples: 240, ...options }] };
    return hosts.command(commandOf("train_process.ts", [JSON.stringify(given)]));
  };

  beforeAll(() => {
    hosts = new Hosts(3);
  });
  afterAll(() => hosts.remove());

  it("take the steps of one", { timeout }, async () => {
    const [alone] = await train({ batchSize: 24, samples: 240 });
    const { code, stderr } = await runRanks("", [], { command: program({}) });
    expect(code, stderr).toBe(0);
    for (const rank of [0, 1, 2]) {
      const [trained] = JSON.parse(readFileSync(join(folder, `rank.${rank}`), "utf8")) as [Trained];
      expect(trained.worldSize).toBe(3);
      expect(distance(alone!, trained)).toBeLessThan(1e-5);
    }
  });

  it("of which one is cut off end within 15 s, and a new start goes on", { timeout }, async () => {
    const rootDir = join(folder, "root");
    const errors = join(folder, "errors");
    const options = { maxSteps: 1e6, rootDir, checkpointEvery: 20, errors };
    const running = runRanks("", [], { command: program(options) });
    const checkpoints = join(rootDir, "checkpoints");
    await until(() => list(checkpoints).some((name) => name.endsWith("step=40.safetensors")));
    hosts.cutOff(3);
    const start = performance.now();
    await until(() => list(folder).filter((name) => name.startsWith("errors.")).length === 3);
    expect(performance.now() - start).toBeLessThan(15_000);
    const said = [0, 1, 2].map((rank) => readFileSync(`${errors}.${rank}`, "utf8"));
    expect(said[0]).toContain("Rank 2 on kindling3 is lost");
    expect(said[1]).toContain("Rank 2 on kindling3 is lost");
    expect(said[2]).toContain("Rank 0 on kindling1 is lost");
    hosts.remove(); // the launcher's own processes wait for the machine that is gone
    await running;
    const ckptPath = join(
      checkpoints,
      list(checkpoints).find((name) => name.endsWith("step=40.safetensors"))!,
    );
    const [resumed] = await train({ devices: 2, batchSize: 12, samples: 240, ckptPath }, { ranks: 2 });
    const [alone] = await train({ batchSize: 24, samples: 240 });
    expect(resumed!.steps).toBe(50);
    expect(distance(alone!, resumed!)).toBeLessThan(1e-5);
  });
});

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1200 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(isSo()).toBe(true);
}
