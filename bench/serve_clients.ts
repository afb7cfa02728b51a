/** Clients of a server under load: as many as there are connections, and some that do not behave. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher, Pool } from "undici";

export const CONNECTIONS = 64;

/** Asks with as many connections as there are, each its next question when it has the answer to the last. */
export async function askAll(count: number, ask: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await ask(next++);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
}

export function askPicture(pool: Pool, body: Buffer): Promise<Dispatcher.ResponseData> {
  return pool.request({ path: "/predict", method: "POST", headers: { "content-type": "image/png" }, body });
}

/** Sends bytes as they are. @returns the status of the answer, or 0 where the connection ended without one */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<number> {
  const socket = open(url);
  socket.end(bytes);
  let received = "";
  for await (const text of socket.setEncoding("latin1") as AsyncIterable<string>) {
    received += text;
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1];
    if (status !== undefined) return Number(status);
  }
  return 0;
}

/** The ways in which a client goes away: before its head has arrived, in its body, and while the model answers. */
const WAYS: readonly ((socket: Socket, head: Buffer, body: Buffer) => Promise<void>)[] = [
  async (socket, head) => void socket.write(head.subarray(0, 30)),
  async (socket, head, body) => void socket.write(Buffer.concat([head, body.subarray(0, body.length / 2)])),
  async (socket, head, body) => {
    socket.write(Buffer.concat([head, body]));
    await sleep(1);
  },
  async (socket, head, body) => {
    socket.write(Buffer.concat([head, body]));
    await sleep(20);
  },
];

/** @param way the number of one; they come round */
export async function leaveMidway(url: string, body: Buffer, way: number): Promise<void> {
  const socket = open(url);
  const head = `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: ${body.length}\r\n\r\n`;
  await WAYS[way % WAYS.length]!(socket, Buffer.from(head), body);
  await sleep(2);
  if (way % 2 === 0) socket.destroy();
  else socket.resetAndDestroy();
}

function open(url: string): Socket {
  const { port, hostname } = new URL(url);
  return connect(Number(port), hostname).on("error", () => undefined);
}
