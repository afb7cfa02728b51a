/** How threads make memory known to each other that each has allocated for itself. */
import { BroadcastChannel, receiveMessageOnPort, type MessagePort } from "node:worker_threads";

interface Message {
  rank: number;
  memory: SharedArrayBuffer;
}

export class Introductions {
  readonly #channel: BroadcastChannel;
  readonly #rank: number;
  readonly #size: number;

  /** @param name of the channel, which all ranks must have opened before anybody sends */
  constructor(name: string, rank: number, size: number) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.unref();
    this.#rank = rank;
    this.#size = size;
  }

  send(memory: SharedArrayBuffer): void {
    const message: Message = { rank: this.#rank, memory };
    this.#channel.postMessage(message);
  }

  /** What all ranks have sent, in their order. To be called once everybody has. */
  receive(own: SharedArrayBuffer): SharedArrayBuffer[] {
    const all = new Array<SharedArrayBuffer>(this.#size);
    all[this.#rank] = own;
    for (let left = this.#size - 1; left > 0; left--) {
      // Node's documentation allows a BroadcastChannel, and its types do not.
      const port = this.#channel as unknown as MessagePort;
      const { rank, memory } = receiveMessageOnPort(port)!.message as Message;
      all[rank] = memory;
    }
    return all;
  }
}
