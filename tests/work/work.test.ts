/** Works: results, failures of every kind, messages, logs, and their end. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { isRunning } from "../../src/process_identity.js";
import { Work, type WorkOptions, type WorkStatus } from "../../src/work/index.js";

interface Input {
  what: string;
  value?: unknown;
}

const TYPESCRIPT = ["--import", "tsx", "--conditions=kindling-source"];
const make = (options: WorkOptions = {}) =>
  new Work<Input>(new URL("./program.ts", import.meta.url), { execArgv: TYPESCRIPT, ...options });

async function waitForLog(work: Work<Input>): Promise<void> {
  while (work.logs.length === 0) await setTimeout(5);
}

describe("Work", { timeout: 120_000 }, () => {
  it("runs a module's function in another process, again and again", async () => {
    const logFile = join(await mkdtemp(join(tmpdir(), "kindling-work-")), "logs", "work.log");
    const work = make({ logFile });
    const statuses: WorkStatus[] = [work.status];
    work.on("status", (status) => statuses.push(status));
    const input = { what: "double", value: new Float32Array([1, 2.5]) };
    const { doubled, pid } = (await work.run(input)) as { doubled: Float32Array; pid: number };
    expect(doubled).toEqual(new Float32Array([2, 5]));
    expect(pid).not.toBe(process.pid);
    expect(isRunning(pid)).toBe(false);
    await work.run(input);
    expect(statuses).toEqual(["notStarted", "running", "succeeded", "running", "succeeded"]);
    expect(work.logs).toEqual(["began double"]);
    expect(readFileSync(logFile, "utf8")).toBe("began double\nbegan double\n");
    expect(work.endedAt!.getTime()).toBeGreaterThanOrEqual(work.startedAt!.getTime());
  });

  it("fails with the module's error, or with how the process ended", async () => {
    const work = make();
    await expect(work.run({ what: "throw" })).rejects.toMatchObject({
      code: "ERR_WORK_FAILED",
      message: expect.stringContaining("out of range") as string,
      cause: { name: "RangeError", message: "out of range", code: "ERR_OWN" },
    });
    expect(work.status).toBe("failed");
    await expect(work.run({ what: "exit" })).rejects.toThrow(
      /ended with code 3 before it gave a result.*began exit/s,
    );
    await expect(work.run({ what: "crash" })).rejects.toThrow(/was ended by SIGKILL/);
    await expect(work.run({ what: "function" })).rejects.toThrow(/could not be cloned/);
    const none = new Work(new URL("./none.ts", import.meta.url), { execArgv: TYPESCRIPT });
    await expect(none.run(1)).rejects.toThrow(/Cannot find module/);
  });

  it("gets messages and answers requests", async () => {
    const messages: unknown[] = [];
    const work = make({
      onRequest: (message) => (message === 8 ? "eight" : Promise.reject(new Error("no"))),
    });
    work.on("message", (message) => messages.push(message));
    expect(await work.run({ what: "talk", value: 8 })).toBe("eight");
    expect(messages).toEqual([{ half: 4 }]);
    await expect(work.run({ what: "talk", value: 9 })).rejects.toThrow(/failed: no/);
    await expect(make().run({ what: "talk", value: 8 })).rejects.toThrow(/no option onRequest/);
  });

  it("stops in good order where it can, and at once where it must", async () => {
    const work = make();
    await work.stop(); // does nothing
    const orderly = work.run({ what: "orderly" });
    await expect(work.run({ what: "orderly" })).rejects.toMatchObject({ code: "ERR_WORK_RUNNING" });
    await waitForLog(work);
    expect(work.pid).toBeGreaterThan(0);
    await Promise.all([work.stop(), expect(orderly).rejects.toMatchObject({ code: "ERR_WORK_STOPPED" })]);
    expect([work.status, work.pid, work.logs.at(-1)]).toEqual(["stopped", undefined, "ended in good order"]);

    const endless = work.run({ what: "endless" });
    await waitForLog(work);
    const { pid } = work;
    await Promise.all([
      work.stop({ seconds: 0.05 }),
      expect(endless).rejects.toMatchObject({ code: "ERR_WORK_STOPPED" }),
    ]);
    expect(isRunning(pid!)).toBe(false);
  });

  it("ends with the process that started it, even if that is killed", async () => {
    const parent = spawn(process.execPath, [...TYPESCRIPT, join(import.meta.dirname, "orphan.ts")]);
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once("data", (text: Buffer) => resolve(Number(text.toString()))),
    );
    expect(isRunning(pid)).toBe(true);
    parent.kill("SIGKILL");
    while (isRunning(pid)) await setTimeout(10);
  });
});

describe("work in processes of its own", { timeout: 120_000 }, () => {
  it("is what searches and pipelines do with modules", async () => {
    const program = spawn(process.execPath, [...TYPESCRIPT, join(import.meta.dirname, "in_processes.ts")]);
    let [output, errors] = ["", ""];
    program.stdout.on("data", (text: Buffer) => (output += text.toString()));
    program.stderr.on("data", (text: Buffer) => (errors += text.toString()));
    const code = await new Promise((resolve) => program.once("close", resolve));
    expect(code, errors).toBe(0);
    const { trials, second, file } = JSON.parse(output) as {
      trials: {
        state: string;
        value?: number;
        error?: string;
        assignment: { x: number };
        reports: unknown[];
      }[];
      second: { sum: number; pid: number };
      file: string;
    };
    expect(trials.map(({ state }) => state)).toEqual(["complete", "failed", "pruned", "complete"]);
    expect(trials[0]!.value).toBe(trials[0]!.assignment.x ** 2);
    expect(trials[1]!.error).toMatch(/ended with code 9/);
    expect(trials.map(({ reports }) => reports.length)).toEqual([1, 1, 1, 1]);
    expect([second.sum, file]).toEqual([21, "1"]);
    expect(second.pid).not.toBe(program.pid);
  });
});
