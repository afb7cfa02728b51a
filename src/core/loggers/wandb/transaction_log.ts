/**
 * The `.wandb` file of an offline run, which `wandb sync` uploads: protocol buffers of wandb_internal.proto in a LevelDB log
 * (https://github.com/google/leveldb/blob/main/doc/log_format.md) with W&B's header and zlib's CRC-32.
 */
import { PbfWriter } from "pbf";
import { crc32 } from "node:zlib";
import type { MetricRecord } from "../../types.js";
import { extendedJson, type WandbRun } from "./run.js";

const BLOCK = 32768;
const RECORD_HEADER = 7;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

/** ":W&B", a magic number and version 0. */
export const FILE_HEADER = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0);

/** Cuts data into the log's records, whose form depends on where in the file they come to lie. */
export function frame(data: Uint8Array, offset: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let space = BLOCK - (offset % BLOCK);
  if (space < RECORD_HEADER) {
    parts.push(new Uint8Array(space));
    space = BLOCK;
  }
  let rest = data;
  for (let isFirst = true; ; isFirst = false) {
    const isLast = rest.length + RECORD_HEADER <= space;
    const type = isLast ? (isFirst ? FULL : LAST) : isFirst ? FIRST : MIDDLE;
    const content = isLast ? rest : rest.subarray(0, space - RECORD_HEADER);
    parts.push(recordHeader(content, type), content);
    if (isLast) return Buffer.concat(parts);
    rest = rest.subarray(content.length);
    space = BLOCK;
  }
}

function recordHeader(content: Uint8Array, type: number): Uint8Array {
  const header = Buffer.alloc(RECORD_HEADER);
  header.writeUInt32LE(crc32(content, crc32(Uint8Array.of(type))), 0);
  header.writeUInt16LE(content.length, 4);
  header.writeUInt8(type, 6);
  return header;
}

type Config = Readonly<Record<string, unknown>>;

/** What one record holds. */
export type WandbRecord =
  | { run: WandbRun; config: Config }
  | { config: Config }
  | { history: MetricRecord; step: number }
  | { summary: MetricRecord }
  | { exitCode: number; runtime: number };

/** A `Record` with its number, from 1. */
export function encodeRecord(num: number, record: WandbRecord): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(1, num);
  if ("run" in record) writer.writeMessage(17, writeRun, record);
  else if ("config" in record) writer.writeMessage(5, writeItems, record.config);
  else if ("history" in record) writer.writeMessage(2, writeHistory, record);
  else if ("summary" in record) writer.writeMessage(3, writeItems, record.summary);
  else writer.writeMessage(18, writeExit, record);
  return writer.finish();
}

function writeRun({ run, config }: { run: WandbRun; config: Config }, writer: PbfWriter): void {
  writer.writeStringField(1, run.id);
  if (run.entity !== undefined) writer.writeStringField(2, run.entity);
  writer.writeStringField(3, run.project);
  writer.writeMessage(4, writeItems, config);
  if (run.group !== undefined) writer.writeStringField(6, run.group);
  if (run.displayName !== undefined) writer.writeStringField(8, run.displayName);
  if (run.notes !== undefined) writer.writeStringField(9, run.notes);
  for (const tag of run.tags) writer.writeStringField(10, tag);
  writer.writeMessage(17, writeTimestamp, run.startTime);
}

function writeTimestamp(milliseconds: number, writer: PbfWriter): void {
  writer.writeVarintField(1, Math.floor(milliseconds / 1000));
  const nanoseconds = Math.round((milliseconds % 1000) * 1e6);
  if (nanoseconds > 0) writer.writeVarintField(2, nanoseconds);
}

/** ConfigRecord and SummaryRecord have their updates, and HistoryRecord its items, under number 1 and of one form. */
function writeItems(values: Config, writer: PbfWriter): void {
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) writer.writeMessage(1, writeItem, { key, value });
  }
}

function writeItem({ key, value }: { key: string; value: unknown }, writer: PbfWriter): void {
  writer.writeStringField(1, key);
  writer.writeStringField(16, extendedJson(value));
}

function writeHistory({ history, step }: { history: MetricRecord; step: number }, writer: PbfWriter): void {
  writeItems(history, writer);
  writer.writeMessage(2, (num, inner) => num > 0 && inner.writeVarintField(1, num), step);
}

function writeExit({ exitCode, runtime }: { exitCode: number; runtime: number }, writer: PbfWriter): void {
  if (exitCode !== 0) writer.writeVarintField(1, exitCode);
  if (runtime > 0) writer.writeVarintField(2, Math.floor(runtime));
}
