/** What several ranks leave: the files of one. */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runRanks } from "./support/run_ranks.js";

interface Report {
  globalRank: number;
  logDir: string;
  best: string;
  metrics: Record<string, number>;
}

it(
  "logs, checkpoints and progress are rank 0's, and all ranks know of them",
  { timeout: 180_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-files-"));
    const { code, stdout, stderr } = await runRanks("log_process.ts", [folder]);
    expect(code, stderr).toBe(0);
    const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
    const [first, second] = lines
      .map((line) => JSON.parse(line) as Report)
      .sort((a, b) => a.globalRank - b.globalRank);
    const { globalRank: _, ...rest } = second!;
    expect(first).toEqual({ globalRank: 0, ...rest });
    expect(readdirSync(join(folder, "kindling_logs"))).toEqual(["version_0"]);
    expect(first!.logDir).toBe(join(folder, "kindling_logs", "version_0"));
    expect(readdirSync(join(first!.logDir, "checkpoints")).sort()).toEqual([
      "epoch=1-step=14.safetensors",
      "epoch=2-step=21.safetensors",
      "last.safetensors",
    ]);
    const rows = readFileSync(join(first!.logDir, "metrics.csv"), "utf8").trim().split("\n");
    expect(rows.length).toBeGreaterThan(10);
    expect(stderr.match(/Epoch 3\/3/g)).toHaveLength(1); // one bar
  },
);
