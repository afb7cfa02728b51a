/** How ranks meet at rank 0's address, and what is said where they do not. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { AbortFlag } from "../../src/distributed/abort_flag.js";
import { Transport } from "../../src/distributed/tcp/transport.js";
import { freePort, runRanks, torchrunVariables } from "./support/run_ranks.js";

const open = (rank: number, size: number, port: number, timeout = 20_000) =>
  Transport.open({ rank, size, host: "127.0.0.1", port, timeout }, new AbortFlag());

describe("ranks that meet over TCP", () => {
  it("may come in any order, and strangers may knock", { timeout: 30_000 }, async () => {
    const port = await freePort();
    const waiting = [open(2, 3, port), open(1, 3, port)];
    await new Promise((resolve) => setTimeout(resolve, 300));
    waiting.push(open(0, 3, port));
    const stranger = connect(port, "127.0.0.1");
    stranger.on("error", () => undefined);
    stranger.write("GET / HTTP/1.1\r\n\r\n");
    const transports = await Promise.all(waiting);
    stranger.destroy();
    // Bytes that come before anybody expects them wait.
    const leg = (rank: number, text: string) => {
      const memory = new SharedArrayBuffer(8);
      Buffer.from(memory).write(text);
      return { rank, memory, start: 0, length: 8 };
    };
    const done = new Int32Array(new SharedArrayBuffer(4));
    transports[0]!.carry([leg(1, "from two")], [], new SharedArrayBuffer(4));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const received = leg(2, "");
    transports[1]!.carry([], [received], done.buffer);
    for (let i = 0; i < 100 && done[0] === 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(Buffer.from(received.memory).toString()).toBe("from two");
    expect(transports[0]!.sentBytes).toBe(8);
  });

  it("say who did not come", { timeout: 30_000 }, async () => {
    const port = await freePort();
    const [first, third] = await Promise.allSettled([open(0, 3, port, 3000), open(2, 3, port, 4500)]);
    expect(first).toMatchObject({ reason: { code: "ERR_RENDEZVOUS", rank: 0 } });
    expect(String((first as PromiseRejectedResult).reason)).toContain("rank 1 did not come within 3 s");
    expect(String((third as PromiseRejectedResult).reason)).toContain("not all ranks came within 5 s");
    await expect(open(1, 2, await freePort(), 3000)).rejects.toThrow("ECONNREFUSED");
  });

  it("of two runs, or with a number twice, are told", { timeout: 30_000 }, async () => {
    const port = await freePort();
    const first = open(0, 3, port, 2500).catch(() => undefined);
    await expect(open(1, 2, port)).rejects.toThrow("rank 0 runs with 3 ranks, and this is rank 1 of 2");
    const second = open(1, 3, port, 2500).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await expect(open(1, 3, port)).rejects.toThrow("another process is rank 1 already");
    await Promise.all([first, second]);
  });

  it("need a port that is free", { timeout: 30_000 }, async () => {
    const server = createServer().listen(0);
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await expect(open(0, 2, port)).rejects.toThrow(`port ${port} is in use on this machine`);
    server.close();
  });

  it("need rank 0's address", { timeout: 60_000 }, async () => {
    const { MASTER_ADDR: _, ...variables } = torchrunVariables(0, 2, 29_500);
    const { code, stderr } = await runRanks("versions_process.ts", [], { env: variables });
    expect(code).toBe(1);
    expect(stderr).toContain("ERR_CLUSTER_VARIABLE");
    expect(stderr).toContain("MASTER_ADDR, which says it, is missing");
  });
});
