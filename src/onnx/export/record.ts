/** Records a function at enough lengths of its dynamic axes to tell what depends on them, and makes one graph of it. */
import type { RecordedGraph } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { ExportGraph } from "./export_graph.js";
import { mergeRecordings } from "./merge_recordings.js";
import type { Lengths, Subject } from "./subject.js";

/** Lengths that a batch is recorded at: any will do, so they are such as no other axis is likely to have. */
const BATCHES = [7, 11, 5, 13, 17];

/** Lengths that the batch of the file is checked at. */
const CHECKED_BATCHES = [3, 1];

/**
 * @returns the graph, and the lengths at which it is to be compared with the function: others than it was recorded at
 * @throws OnnxError `ERR_EXPORT_DYNAMIC` naming the operator that a length changes in a way that ONNX cannot hold
 */
export function recordDynamic(subject: Subject): { graph: ExportGraph; checks: Lengths[] } {
  const { lengths, dynamicAxes } = subject;
  const names = Object.keys(lengths);
  const isBatch = (name: string) =>
    Object.values(dynamicAxes).every((axes) =>
      Object.entries(axes).every(([axis, given]) => given !== name || axis === "0"),
    );
  for (const name of names) if (!isBatch(name) && lengths[name] === 1) refuseShort(name);
  const taken = new Set(names.filter((name) => !isBatch(name)).map((name) => lengths[name]!));
  const batches = BATCHES.filter((length) => !taken.has(length));
  const base = Object.fromEntries(names.map((name) => [name, isBatch(name) ? batches[0]! : lengths[name]!]));

  const recordings = [subject.record(base)];
  const all: Record<string, number> = {};
  const checked: Record<string, number[]> = {};
  for (const name of names) {
    if (isBatch(name)) {
      recordings.push(subject.record({ ...base, [name]: batches[1]! }));
      all[name] = batches[2]!;
      checked[name] = CHECKED_BATCHES;
    } else {
      const other = recordAtAnother(subject, base, name, recordings[0]!);
      recordings.push(other.recording);
      all[name] = other.length;
      checked[name] = [checkedLength(subject, base, name, other.length), base[name]!];
    }
  }
  if (names.length > 0) recordings.push(subject.record(all));
  const checks =
    names.length === 0
      ? [{}]
      : CHECKED_BATCHES.map((_, i) => mapLengths(names, (name) => checked[name]![i]!));
  return { graph: mergeRecordings(recordings, dynamicAxes), checks };
}

function refuseShort(name: string): never {
  throw new ConfigurationError(
    "ERR_EXPORT_AXES",
    `The dynamic axis ${name} is 1 long in the input given, which is a length that operators treat differently from all ` +
      "others. Give an input that is longer there.",
  );
}

function mapLengths(names: readonly string[], lengthOf: (name: string) => number): Lengths {
  return Object.fromEntries(names.map((name) => [name, lengthOf(name)]));
}

/** Shorter first: many functions have a longest length. Some take multiples of a number only, and some odd ones differ. */
function otherLengths(length: number): number[] {
  const candidates = [length - 1, length + 1, length - 2, Math.floor(length / 2), 2 * length, 3 * length];
  return [...new Set(candidates)].filter((candidate) => candidate > 1 && candidate !== length);
}

/** A recording with another length of an axis, the first that the function takes and that changes no operator. */
function recordAtAnother(
  subject: Subject,
  base: Lengths,
  name: string,
  first: RecordedGraph,
): { recording: RecordedGraph; length: number } {
  let failure: unknown;
  for (const length of otherLengths(base[name]!)) {
    try {
      const recording = subject.record({ ...base, [name]: length });
      mergeRecordings([first, recording], axesNamed(subject, name));
      return { recording, length };
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** The dynamic axes of one name. */
function axesNamed({ dynamicAxes }: Subject, name: string): Subject["dynamicAxes"] {
  return Object.fromEntries(
    Object.entries(dynamicAxes).map(([input, axes]) => [
      input,
      Object.fromEntries(Object.entries(axes).filter(([, given]) => given === name)),
    ]),
  );
}

/** A length that the function takes and was not recorded at; the other recorded one where there is none. */
function checkedLength(subject: Subject, base: Lengths, name: string, recorded: number): number {
  for (const length of otherLengths(base[name]!)) {
    if (length === recorded) continue;
    try {
      subject.record({ ...base, [name]: length });
      return length;
    } catch {
      // the next one
    }
  }
  return recorded;
}
