/**
 * TensorBoard's protocol messages, as far as we write them, with their field numbers: event.proto, summary.proto,
 * tensor.proto and the hparams plugin's api.proto and plugin_data.proto of https://github.com/tensorflow/tensorboard.
 */
import { PbfWriter } from "pbf";
import type { HparamValue } from "../hparams.js";
import type { PngImage } from "../image.js";

interface TensorProto {
  dtype: number;
  dims: readonly number[];
  /** Row-major bytes, or strings. */
  content?: Uint8Array;
  strings?: readonly (string | Uint8Array)[];
}

interface SummaryMetadata {
  plugin: string;
  content?: Uint8Array;
}

interface SummaryValue {
  tag: string;
  metadata?: SummaryMetadata;
  simpleValue?: number;
  tensor?: TensorProto;
}

/** The fields of one event besides its time. */
export interface EventContent {
  step?: number;
  fileVersion?: string;
  summary?: readonly SummaryValue[];
}

const DT_FLOAT = 1;
const DT_DOUBLE = 2;
const DT_STRING = 7;
const DATA_TYPE = { string: 1, boolean: 2, number: 3 };
const HPARAMS = "hparams";
/** Of api.proto's `Status`. */
const SESSION_STATUS = { success: 1, failed: 2 };

/** @param wallTime seconds since 1970 */
export function encodeEvent(wallTime: number, { step = 0, fileVersion, summary }: EventContent): Uint8Array {
  const writer = new PbfWriter();
  writer.writeDoubleField(1, wallTime);
  if (step !== 0) writer.writeVarintField(2, step);
  if (fileVersion !== undefined) writer.writeStringField(3, fileVersion);
  if (summary !== undefined) writer.writeMessage(5, writeSummary, summary);
  return writer.finish();
}

export function scalar(tag: string, value: number): SummaryValue {
  return { tag, simpleValue: value };
}

/** @param buckets rows of left edge, right edge and count */
export function histogram(tag: string, buckets: Float64Array): SummaryValue {
  const content = new Uint8Array(buckets.buffer, buckets.byteOffset, buckets.byteLength);
  const tensor = { dtype: DT_DOUBLE, dims: [buckets.length / 3, 3], content };
  return { tag, metadata: { plugin: "histograms" }, tensor };
}

export function image(tag: string, { width, height, png }: PngImage): SummaryValue {
  const strings = [String(width), String(height), png];
  return { tag, metadata: { plugin: "images" }, tensor: { dtype: DT_STRING, dims: [3], strings } };
}

export function text(tag: string, markdown: string): SummaryValue {
  return { tag, metadata: { plugin: "text" }, tensor: { dtype: DT_STRING, dims: [], strings: [markdown] } };
}

/** Which hyperparameters and metrics the hparams page has columns for. */
export function experiment(
  hparams: Readonly<Record<string, HparamValue>>,
  metrics: readonly string[],
): SummaryValue {
  return hparamsValue("experiment", 2, (writer) => {
    for (const [name, value] of Object.entries(hparams))
      writer.writeMessage(4, writeHparamInfo, { name, value });
    for (const tag of metrics) writer.writeMessage(5, writeMetricInfo, tag);
  });
}

/** The values that a session began with. */
export function sessionStart(
  hparams: Readonly<Record<string, HparamValue>>,
  startTime: number,
): SummaryValue {
  return hparamsValue("session_start_info", 3, (writer) => {
    for (const [name, value] of Object.entries(hparams)) writer.writeMessage(1, writeHparam, { name, value });
    writer.writeDoubleField(5, startTime);
  });
}

export function sessionEnd(status: "success" | "failed", endTime: number): SummaryValue {
  return hparamsValue("session_end_info", 4, (writer) => {
    writer.writeVarintField(1, SESSION_STATUS[status]);
    writer.writeDoubleField(2, endTime);
  });
}

/** A value that carries everything in its metadata. */
function hparamsValue(name: string, field: number, write: (writer: PbfWriter) => void): SummaryValue {
  const writer = new PbfWriter();
  writer.writeMessage(field, (_, inner) => write(inner), undefined);
  const metadata = { plugin: HPARAMS, content: writer.finish() };
  return { tag: `_hparams_/${name}`, metadata, tensor: { dtype: DT_FLOAT, dims: [0] } };
}

function writeSummary(values: readonly SummaryValue[], writer: PbfWriter): void {
  for (const value of values) writer.writeMessage(1, writeValue, value);
}

function writeValue({ tag, metadata, simpleValue, tensor }: SummaryValue, writer: PbfWriter): void {
  writer.writeStringField(1, tag);
  if (simpleValue !== undefined) writer.writeFloatField(2, simpleValue);
  if (tensor !== undefined) writer.writeMessage(8, writeTensor, tensor);
  if (metadata !== undefined) writer.writeMessage(9, writeMetadata, metadata);
}

function writeMetadata(metadata: SummaryMetadata, writer: PbfWriter): void {
  writer.writeMessage(1, writePluginData, metadata);
}

function writePluginData({ plugin, content }: SummaryMetadata, writer: PbfWriter): void {
  writer.writeStringField(1, plugin);
  if (content !== undefined) writer.writeBytesField(2, content);
}

function writeTensor({ dtype, dims, content, strings = [] }: TensorProto, writer: PbfWriter): void {
  writer.writeVarintField(1, dtype);
  writer.writeMessage(2, writeShape, dims);
  if (content !== undefined) writer.writeBytesField(4, content);
  for (const item of strings) {
    if (typeof item === "string") writer.writeStringField(8, item);
    else writer.writeBytesField(8, item);
  }
}

function writeShape(dims: readonly number[], writer: PbfWriter): void {
  for (const size of dims) writer.writeMessage(2, writeDim, size);
}

function writeDim(size: number, writer: PbfWriter): void {
  if (size !== 0) writer.writeVarintField(1, size);
}

interface NamedHparam {
  name: string;
  value: HparamValue;
}

function writeHparamInfo({ name, value }: NamedHparam, writer: PbfWriter): void {
  writer.writeStringField(1, name);
  writer.writeVarintField(4, DATA_TYPE[typeof value as keyof typeof DATA_TYPE]);
}

function writeMetricInfo(tag: string, writer: PbfWriter): void {
  writer.writeMessage(1, (name, inner) => inner.writeStringField(2, name), tag);
}

/** An entry of a map from strings to google.protobuf.Value. */
function writeHparam({ name, value }: NamedHparam, writer: PbfWriter): void {
  writer.writeStringField(1, name);
  writer.writeMessage(2, writeStructValue, value);
}

function writeStructValue(value: HparamValue, writer: PbfWriter): void {
  if (typeof value === "number") writer.writeDoubleField(2, value);
  else if (typeof value === "string") writer.writeStringField(3, value);
  else writer.writeBooleanField(4, value);
}
