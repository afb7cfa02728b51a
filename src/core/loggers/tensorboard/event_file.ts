/** An event file: TFRecords, each an event with checksums, as TensorBoard reads them while they grow. */
import crc32c from "crc-32/crc32c.js";
import { appendFile, mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { encodeEvent, type EventContent } from "./event_messages.js";

const FILE_VERSION = "brain.Event:2";

/** Files that this process has begun, so that two writers of one second and folder have two files. */
let begun = 0;

/** The file is made with the first event. It is closed between writes, so there is nothing to close at the end. */
export class EventFile {
  readonly #folder: string;
  #path: string | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined before the first event. */
  get path(): string | undefined {
    return this.#path;
  }

  async append(events: readonly EventContent[]): Promise<void> {
    const now = Date.now() / 1000;
    const all = [...events];
    if (this.#path === undefined) {
      await mkdir(this.#folder, { recursive: true });
      const time = String(Math.floor(now)).padStart(10, "0");
      this.#path = join(this.#folder, `events.out.tfevents.${time}.${hostname()}.${process.pid}.${begun++}`);
      all.unshift({ fileVersion: FILE_VERSION });
    }
    await appendFile(this.#path, Buffer.concat(all.map((event) => encodeRecord(encodeEvent(now, event)))));
  }
}

/** Length (uint64), its checksum, the data, its checksum, little-endian. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), data.length + 12);
  return record;
}

/** CRC-32C, turned by 15 bits and moved, so that the checksum of data that holds checksums is a good one too. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c.buf(data) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
