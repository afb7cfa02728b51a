import { MpiGroup } from "../../../src/distributed/mpi/mpi_group.js";
const g = await MpiGroup.join();
const mode = process.argv[2];
console.log("rank", g.rank, "of", g.size);
for (const n of [1, 1000, 1_000_000, 10_000_000]) {
  const a = new Float32Array(n).map((_, i) => (i % 100) * (g.rank + 1));
  g.allReduce(a).wait();
  const f = g.size * (g.size + 1) / 2;
  let ok = true; for (let i = 0; i < n; i++) if (a[i] !== (i % 100) * f) { ok = false; break; }
  g.barrier().wait();
  const t2 = performance.now(); for (let r = 0; r < 5; r++) g.allReduce(a, "mean").wait(); const dt2 = (performance.now() - t2) / 5;
  if (g.rank === 0) console.log(n, ok, dt2.toFixed(3), "ms", (n * 4 / dt2 / 1e6).toFixed(2), "GB/s");
}
if (mode === "throw" && g.rank === 1) { const e = new Error("boo"); g.abort(e); throw e; }
if (mode === "kill" && g.rank === 1) process.kill(process.pid, "SIGKILL");
if (mode) { try { g.barrier().wait(); } catch (e) { console.log("saw", String(e)); throw e; } }
if (mode === "mismatch") { (g.rank === 0 ? g.barrier() : g.allReduce(new Float32Array(3))).wait(); }
