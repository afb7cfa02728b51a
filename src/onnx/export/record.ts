/** Records a function at enough lengths of its dynamic axes to tell what depends on them, and makes one graph of it. */
import type { RecordedGraph } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { ExportGraph } from "./export_graph.js";
import { mergeRecordings, type DynamicAxes } from "./merge_recordings.js";
import type { Lengths, Subject } from "./subject.js";

/** Lengths that a batch is recorded at: any will do, so they are such as no other axis is likely to have. */
const BATCHES = [7, 11, 5, 13, 17];

/** Lengths that the batch of the model is checked at. */
const CHECKED_BATCHES = [3, 1];

/** Two lengths that an axis is recorded at, a third for recording all axes anew, and two to check the model at. */
interface Plan {
  recorded: readonly [number, number, number];
  checked: readonly [number, number];
}

/**
 * @returns the graph, and the lengths at which it is to be compared with the function: others than it was recorded at,
 *   where the function takes others
 * @throws OnnxError `ERR_EXPORT_DYNAMIC` naming the operator that a length changes in a way that ONNX cannot hold
 * @throws ConfigurationError `ERR_EXPORT_AXES` where an axis that is not the first has a length of 1
 */
export function recordDynamic(subject: Subject): { graph: ExportGraph; checks: Lengths[] } {
  const { lengths, dynamicAxes } = subject;
  const names = Object.keys(lengths);
  if (names.length === 0) return { graph: mergeRecordings([subject.record({})], {}), checks: [{}] };
  const fixed = names.filter((name) => !isBatch(dynamicAxes, name)).map((name) => lengths[name]!);
  const batches = BATCHES.filter((length) => !fixed.includes(length)) as [number, number, number];
  const base: Record<string, number> = {};
  for (const name of names) base[name] = isBatch(dynamicAxes, name) ? batches[0] : lengths[name]!;
  const plans: Record<string, Plan> = {};
  for (const name of names) {
    if (isBatch(dynamicAxes, name)) {
      const [one, other, third] = batches;
      plans[name] = { recorded: [one, other, third], checked: CHECKED_BATCHES as [number, number] };
    } else plans[name] = planLengths(subject, base, name);
    base[name] = plans[name].recorded[0];
  }
  const at = (length: (plan: Plan) => number): Lengths =>
    Object.fromEntries(names.map((name) => [name, length(plans[name]!)]));
  const recordings = [
    subject.record(base),
    ...names.map((name) => subject.record({ ...base, [name]: plans[name]!.recorded[1] })),
    subject.record(at(({ recorded }) => recorded[2])),
  ];
  return {
    graph: mergeRecordings(recordings, dynamicAxes),
    checks: [at(({ checked }) => checked[0]), at(({ checked }) => checked[1])],
  };
}

/** Whether an axis is the first of every input that has it: functions take any number of samples. */
function isBatch(dynamicAxes: DynamicAxes, name: string): boolean {
  return Object.values(dynamicAxes).every((axes) =>
    Object.entries(axes).every(([axis, given]) => given !== name || axis === "0"),
  );
}

/**
 * Many functions have a longest length, at which they need not cut what they keep for it; some take multiples of a number
 * only, or do something else with odd lengths. So lengths are tried until there are two with the same operators.
 */
function planLengths(subject: Subject, base: Lengths, name: string): Plan {
  const given = base[name]!;
  if (given === 1) {
    throw new ConfigurationError(
      "ERR_EXPORT_AXES",
      `The dynamic axis ${name} is 1 long in the input given, which is a length that operators treat differently from all ` +
        "others. Give an input that is longer there.",
    );
  }
  const lengths = lengthsNear(given);
  let failure: unknown;
  const attempt = <T>(body: () => T): T | undefined => {
    try {
      return body();
    } catch (error) {
      failure ??= error;
      return undefined;
    }
  };
  const taken: { length: number; recording: RecordedGraph }[] = [];
  let pair: [number, number] | undefined;
  const axes = axesNamed(subject.dynamicAxes, name);
  for (const length of lengths) {
    const recording = attempt(() => subject.record({ ...base, [name]: length }));
    if (recording === undefined) continue;
    const other =
      pair === undefined
        ? taken.find((earlier) => attempt(() => mergeRecordings([earlier.recording, recording], axes)))
        : undefined;
    if (other !== undefined) pair = [other.length, length];
    taken.push({ length, recording });
    if (pair !== undefined && taken.length > 3) break;
  }
  if (pair === undefined) throw failure;
  const others = taken
    .map(({ length }) => length)
    .filter((length) => !pair.includes(length) && length !== given);
  const [third = pair[1]] = others;
  // Tables end with the longest recording.
  const longest = Math.max(...pair, third);
  const unseen = others.find((length) => length !== third && length <= longest) ?? third;
  return { recorded: [...pair, third], checked: [unseen, given] };
}

/**
 * Lengths to try, the given one first. Those far from it come before its neighbours, which strided windows may make the same
 * of: what is the same at all recorded lengths counts as fixed.
 */
function lengthsNear(given: number): number[] {
  const shares = [1, 0.7, 0.55, 0.85, 2, 0.5, 3].map((share) => Math.floor(share * given));
  return [...new Set([...shares, given - 1, given + 1])].filter((length) => length > 1);
}

/** The dynamic axes of one name. */
function axesNamed(dynamicAxes: DynamicAxes, name: string): DynamicAxes {
  return Object.fromEntries(
    Object.entries(dynamicAxes).map(([input, axes]) => [
      input,
      Object.fromEntries(Object.entries(axes).filter(([, given]) => given === name)),
    ]),
  );
}
