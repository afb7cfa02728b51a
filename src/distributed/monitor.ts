/**
 * Watches over ranks in several processes, because MPI waits for a lost machine without end: every rank sends a beat to rank 0
 * and hears one from it, over TCP, in a thread of its own. Failures travel the same way.
 */
import { networkInterfaces } from "node:os";
import { Worker } from "node:worker_threads";
import { RAISE_SOURCE, type AbortFlag, type Failure } from "./abort_flag.js";

/** Milliseconds from one beat to the next, and without any until a rank is lost. */
const BEAT = 1000;
const LOST = 8000;
/** Milliseconds that a failing rank waits until the others have been told. */
const TELL = 2000;

/** How rank 0's monitor is found. */
export interface MonitorAddress {
  hosts: string[];
  port: number;
  /** Keeps strangers out. */
  token: string;
}

/** Plain JavaScript: it loads no file of ours. Messages are lines of JSON. */
const THREAD = `
${RAISE_SOURCE}
const net = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");
const { rank, hostname, token, abort, acknowledged, ended } = workerData;
const peers = new Map(); // at rank 0 the others, elsewhere rank 0
let isLeaving = false;

function send(socket, message) {
  if (!socket.destroyed) socket.write(JSON.stringify(message) + "\\n");
}
function tellOthers(failure, except) {
  for (const [other, { socket }] of peers) if (other !== except) send(socket, { failure });
}
function fail(failure, from) {
  if (raise(abort, failure)) tellOthers(failure, from);
}
function lose(other, reason) {
  if (isLeaving) return;
  const { host } = peers.get(other) ?? {};
  const place = host === undefined ? "" : " on " + host;
  fail({ rank: other, code: "ERR_RANK_LOST", message: "Rank " + other + place + " is lost: " + reason }, other);
}
function listen(other, socket, host) {
  const peer = { socket, host, last: Date.now(), left: false };
  peers.set(other, peer);
  return peer;
}
function readLines(socket, onMessage) {
  let rest = "";
  socket.setEncoding("utf8");
  socket.setNoDelay(true);
  socket.on("data", (text) => {
    const lines = (rest + text).split("\\n");
    rest = lines.pop();
    for (const line of lines) onMessage(JSON.parse(line));
  });
  socket.on("error", () => undefined);
}
function onMessage(other, peer, message) {
  peer.last = Date.now();
  if (message.failure) fail(message.failure, other);
  if (message.ended !== undefined) end(message.ended);
  if (message.left) {
    peer.left = true;
    end(other);
    for (const [next, { socket }] of peers) if (next !== other) send(socket, { ended: other });
  }
}
function end(other) {
  Atomics.store(new Int32Array(ended), 0, other + 1);
}
function onClose(other, peer) {
  if (peer.left) peers.delete(other);
  else lose(other, "its connection has closed, as when a process is killed.");
}
function beat() {
  for (const [other, peer] of peers) {
    send(peer.socket, {});
    const silence = Date.now() - peer.last;
    if (!peer.left && silence > ${LOST})
      lose(other, "nothing was heard of it for " + Math.round(silence / 1000) + " s. Its machine has stopped, or the network between is cut.");
  }
}
function serve() {
  const server = net.createServer((socket) => {
    let other, peer;
    readLines(socket, (message) => {
      if (peer !== undefined) return onMessage(other, peer, message);
      if (message.token !== token) return socket.destroy();
      other = message.rank;
      peer = listen(other, socket, message.hostname);
      send(socket, { hostname });
    });
    socket.on("close", () => peer && onClose(other, peer));
  });
  server.listen(0, () => parentPort.postMessage({ port: server.address().port }));
}
function connect({ hosts, port }) {
  const [host, ...others] = hosts;
  if (host === undefined) return parentPort.postMessage({ unreachable: true });
  const socket = net.connect({ host, port, timeout: 3000 });
  const next = () => (socket.destroy(), connect({ hosts: others, port }));
  socket.once("timeout", next);
  socket.once("error", next);
  let peer;
  readLines(socket, (message) => {
    if (peer !== undefined) return onMessage(0, peer, message);
    // It is the right one only if it answers: another machine may have the same private address.
    socket.off("timeout", next).off("error", next).setTimeout(0);
    peer = listen(0, socket, message.hostname);
    socket.on("close", () => onClose(0, peer));
    parentPort.postMessage({ connected: true });
  });
  socket.on("connect", () => send(socket, { token, rank, hostname }));
}
function acknowledge() {
  Atomics.store(new Int32Array(acknowledged), 0, 1);
  Atomics.notify(new Int32Array(acknowledged), 0);
}
function afterSending(body) {
  const open = [...peers.values()].filter(({ socket }) => !socket.destroyed);
  let left = open.length;
  if (left === 0) return body();
  for (const { socket } of open) socket.write("{}\\n", () => --left === 0 && body());
}
parentPort.on("message", (message) => {
  if (message.address !== undefined) connect(message.address);
  if (message.failure !== undefined) {
    fail(message.failure);
    afterSending(acknowledge);
  }
  if (message.leave === true) {
    isLeaving = true;
    for (const { socket } of peers.values()) send(socket, { left: true });
    afterSending(acknowledge);
  }
});
setInterval(beat, ${BEAT});
if (rank === 0) serve();
`;

export class Monitor {
  readonly #thread: Worker;
  readonly #acknowledged = new SharedArrayBuffer(4);
  readonly #ended = new SharedArrayBuffer(4);

  constructor(options: { rank: number; hostname: string; token: string; abort: AbortFlag }) {
    const { abort, ...data } = options;
    this.#thread = new Worker(THREAD, {
      eval: true,
      workerData: { ...data, abort: abort.shared, acknowledged: this.#acknowledged, ended: this.#ended },
    });
    this.#thread.unref();
  }

  /** Of rank 0: the port it listens on. */
  async port(): Promise<number> {
    return (await this.#answer<{ port: number }>()).port;
  }

  /** Of the other ranks. @returns whether rank 0 could be reached */
  async connect(address: MonitorAddress): Promise<boolean> {
    this.#thread.postMessage({ address });
    return (await this.#answer<{ connected?: boolean }>()).connected === true;
  }

  /** A rank that has come to the end of its program; undefined while there is none. */
  get endedRank(): number | undefined {
    const rank = Atomics.load(new Int32Array(this.#ended), 0) - 1;
    return rank === -1 ? undefined : rank;
  }

  /** Returns when the others have been told. */
  tell(failure: Failure): void {
    this.#post({ failure });
  }

  /** This rank ends well: nobody will miss it. */
  leave(): void {
    this.#post({ leave: true });
  }

  /** The process may end before a message that nobody waits for has been sent. */
  #post(message: unknown): void {
    const acknowledged = new Int32Array(this.#acknowledged);
    Atomics.store(acknowledged, 0, 0);
    this.#thread.postMessage(message);
    Atomics.wait(acknowledged, 0, 0, TELL);
  }

  async #answer<T>(): Promise<T> {
    this.#thread.ref();
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#thread.once("message", resolve);
        this.#thread.once("error", reject);
      });
    } finally {
      this.#thread.unref();
    }
  }
}

/** The addresses under which other machines may reach this one, and its own for ranks beside it. */
export function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, family }) => !internal && family === "IPv4");
  return [...outside.map(({ address }) => address), "127.0.0.1"];
}
