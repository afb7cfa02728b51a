/**
 * The thread that carries bytes between processes over TCP: it brings them together at rank 0's address, keeps a connection to
 * each of the others, and goes on while the thread that computes stands still.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { Worker } from "node:worker_threads";
import { DistributedError } from "../../errors.js";
import { RAISE_SOURCE, type AbortFlag } from "../abort_flag.js";
import { ownAddresses } from "../monitor.js";

/** What ranks of a run know of each other beforehand. */
export interface MeetingPoint {
  rank: number;
  size: number;
  /** Rank 0's address. */
  host: string;
  port: number;
  /** Milliseconds until all must have come. */
  timeout: number;
}

/** Bytes of shared memory, and the rank that they go to or come from. */
export interface Leg {
  rank: number;
  memory: SharedArrayBuffer;
  start: number;
  length: number;
}

/** Milliseconds between two tries to reach rank 0, which may start later. */
const AGAIN = 200;
/** Milliseconds from a closed connection to an error of its own: those who know more speak first. */
const CLOSED = 6000;
/** Bytes that nobody expects yet, beyond which their sender has to wait. */
const UNEXPECTED = 1 << 22;

/**
 * Plain JavaScript: it loads no file of ours. Ranks say in a line of JSON who they are; what comes after the lines is bytes in
 * the order of the collectives, which both sides know.
 */
const THREAD = `
${RAISE_SOURCE}
const net = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");
const { rank, size, host, port, hosts, hostname, timeout, abort, sent } = workerData;
let { token } = workerData;
const peers = new Map();
const joined = new Map(); // at rank 0: who has come, and where others find them
const counter = new Float64Array(sent);
let table, lastError, isReady = false;

const failed = (reason) => parentPort.postMessage({ failed: reason });
const say = (socket, message) => socket.write(JSON.stringify(message) + "\\n");

/** Calls back with lines, until that gives a peer, whose bytes are the rest. */
function converse(socket, onLine) {
  let rest = Buffer.alloc(0), peer;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 1000);
  socket.on("error", (error) => (lastError = error.message));
  socket.on("data", (chunk) => {
    if (peer !== undefined) return take(peer, chunk);
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end !== -1 && peer === undefined; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 1);
      let message;
      try {
        message = JSON.parse(line);
      } catch {
        return socket.destroy(); // a stranger
      }
      peer = onLine(message);
    }
    if (peer === undefined && rest.length > 65536) socket.destroy();
    if (peer !== undefined && rest.length > 0) take(peer, rest);
  });
}
function meet(other, socket, name) {
  const peer = { rank: other, socket, name, expected: [], early: [], earlyBytes: 0 };
  peers.set(other, peer);
  socket.on("close", () => setTimeout(lose, ${CLOSED}, peer));
  return peer;
}
function lose(peer) {
  if (peer.expected.length === 0) return;
  const message = "Rank " + peer.rank + " on " + peer.name + " is lost: its connection to rank " + rank + " has closed.";
  raise(abort, { rank: peer.rank, code: "ERR_RANK_LOST", message });
}
function checkReady() {
  if (isReady || peers.size < size - 1) return;
  isReady = true;
  parentPort.postMessage({ ready: true });
}

/** Rank 0 waits for all, and tells them where the others are. */
function receive() {
  const server = net.createServer((socket) => {
    let other;
    converse(socket, (message) => {
      if (message.kindling !== true) return void socket.destroy();
      if (message.size !== size || !(message.rank > 0 && message.rank < size)) {
        return void say(socket, { failed: "rank 0 runs with " + size + " ranks, and this is rank " + message.rank + " of " + message.size });
      }
      if (joined.has(message.rank)) return void say(socket, { failed: "another process is rank " + message.rank + " already" });
      other = message.rank;
      const seen = socket.remoteAddress.replace("::ffff:", "");
      const isLocal = seen === "::1" || seen.startsWith("127.");
      joined.set(other, { socket, place: { rank: other, hosts: [...(isLocal ? [] : [seen]), ...message.hosts], port: message.port } });
      const peer = meet(other, socket, message.hostname);
      if (joined.size === size - 1) begin();
      return peer;
    });
    socket.on("close", () => {
      if (isReady || other === undefined) return;
      joined.delete(other); // it may start again
      peers.delete(other);
    });
  });
  server.on("error", ({ code, message }) =>
    failed(code === "EADDRINUSE" ? "port " + port + " is in use on this machine" : message),
  );
  server.listen(port);
  function begin() {
    const places = [...joined.values()].map(({ place }) => place);
    for (const { socket } of joined.values()) say(socket, { places, token, hostname });
    server.close();
    checkReady();
  }
}

/** The others go to rank 0, and then to those before them, while those behind come to them. */
function join() {
  const server = net.createServer((socket) => {
    converse(socket, (message) => {
      if (token === undefined || message.token !== token) return void socket.destroy();
      say(socket, { token });
      const peer = meet(message.rank, socket, message.hostname);
      checkReady();
      return peer;
    });
  });
  server.listen(0, () => reach(server.address().port));
}
function reach(own) {
  const socket = net.connect({ host, port, timeout: 5000 });
  let isOver = false;
  const again = () => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    setTimeout(reach, ${AGAIN}, own);
  };
  socket.once("connect", () => {
    socket.setTimeout(0);
    say(socket, { kindling: true, rank, size, port: own, hosts, hostname });
  });
  socket.once("timeout", again);
  socket.once("close", again);
  converse(socket, (message) => {
    isOver = true;
    if (message.failed !== undefined) return void failed(message.failed);
    token = message.token;
    const peer = meet(0, socket, message.hostname);
    for (const place of message.places) if (place.rank < rank) visit(place);
    checkReady();
    return peer;
  });
}
function visit({ rank: other, hosts: [first, ...rest], port }) {
  if (first === undefined) return failed("rank " + other + " cannot be reached from rank " + rank + " (" + lastError + ")");
  const socket = net.connect({ host: first, port, timeout: 5000 });
  let isOver = false;
  const next = () => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    visit({ rank: other, hosts: rest, port });
  };
  socket.once("timeout", next);
  socket.once("close", next);
  socket.once("connect", () => say(socket, { token, rank, hostname }));
  converse(socket, (message) => {
    if (message.token !== token) return void socket.destroy();
    isOver = true;
    socket.setTimeout(0);
    const peer = meet(other, socket, first);
    checkReady();
    return peer;
  });
}

function take(peer, chunk) {
  while (chunk.length > 0 && peer.expected.length > 0) {
    const [next] = peer.expected;
    const part = chunk.subarray(0, next.bytes.length);
    next.bytes.set(part);
    next.bytes = next.bytes.subarray(part.length);
    chunk = chunk.subarray(part.length);
    if (next.bytes.length > 0) continue;
    peer.expected.shift();
    next.end();
  }
  if (chunk.length === 0) return;
  peer.early.push(chunk);
  peer.earlyBytes += chunk.length;
  if (peer.earlyBytes > ${UNEXPECTED}) peer.socket.pause();
}
function carry({ done, sends, receives }) {
  let left = sends.length + receives.length;
  const end = () => {
    if (--left > 0) return;
    Atomics.store(new Int32Array(done), 0, 1);
    Atomics.notify(new Int32Array(done), 0);
  };
  for (const { rank: to, memory, start, length } of sends) {
    counter[0] += length;
    peers.get(to).socket.write(new Uint8Array(memory, start, length), (error) => error ?? end());
  }
  for (const { rank: from, memory, start, length } of receives) {
    const peer = peers.get(from);
    peer.expected.push({ bytes: new Uint8Array(memory, start, length), end });
    if (peer.socket.destroyed) setTimeout(lose, ${CLOSED}, peer);
    if (peer.early.length === 0) continue;
    const chunks = peer.early;
    peer.early = [];
    peer.earlyBytes = 0;
    for (const chunk of chunks) take(peer, chunk);
    peer.socket.resume();
  }
}
parentPort.on("message", carry);
setTimeout(() => {
  if (isReady) return;
  const missing = Array.from({ length: size }, (_, i) => i).filter((i) => i !== 0 && !joined.has(i));
  failed(
    rank === 0
      ? "rank " + missing.join(", ") + " did not come within " + Math.round(timeout / 1000) + " s"
      : "not all ranks came within " + Math.round(timeout / 1000) + " s" + (lastError === undefined ? "" : ", the last try ended with: " + lastError),
  );
}, timeout).unref();
if (rank === 0) receive();
else join();
`;

export class Transport {
  readonly #thread: Worker;
  readonly #sent = new SharedArrayBuffer(8);

  private constructor(point: MeetingPoint, abort: AbortFlag) {
    const own = { hosts: ownAddresses(), hostname: hostname(), abort: abort.shared, sent: this.#sent };
    const token = point.rank === 0 ? randomBytes(16).toString("hex") : undefined;
    this.#thread = new Worker(THREAD, { eval: true, execArgv: [], workerData: { ...point, ...own, token } });
  }

  /**
   * Meets the other ranks.
   *
   * @throws DistributedError `ERR_RENDEZVOUS` where they do not come, cannot be reached, or are of another run
   */
  static async open(point: MeetingPoint, abort: AbortFlag): Promise<Transport> {
    const transport = new Transport(point, abort);
    const thread = transport.#thread;
    const { failed } = await new Promise<{ failed?: string }>((resolve, reject) => {
      thread.once("message", resolve);
      thread.once("error", reject);
    });
    thread.unref();
    if (failed === undefined) return transport;
    await thread.terminate();
    const { rank, host, port } = point;
    throw new DistributedError(
      "ERR_RENDEZVOUS",
      `Rank ${rank} could not meet the others at ${host}:${port}: ${failed}. MASTER_ADDR and MASTER_PORT must be rank 0's address ` +
        "and a free port there, and RANK and WORLD_SIZE must count the processes of one run; machines must be able to " +
        "connect to each other on all ports.",
      { rank },
    );
  }

  /** Bytes that were given to the network. */
  get sentBytes(): number {
    return new Float64Array(this.#sent)[0]!;
  }

  /** @param done is 1 when all has been sent and received */
  carry(sends: readonly Leg[], receives: readonly Leg[], done: SharedArrayBuffer): void {
    this.#thread.postMessage({ done, sends, receives });
  }
}
