/** Samples with the names of their classes: one part of a classification data set, before it is read. */
import { compareNaturally, type ClassificationTarget } from "../data/index.js";
import { ConfigurationError, DataError, describeChoices, type KindlingError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";

export interface LabeledSamples<Source = unknown> {
  sources: readonly Source[];
  /** For each sample its classes: exactly one, or with multi-label any number. */
  classes: readonly (readonly string[])[];
}

/** The labeled parts of a data set. */
export type LabeledParts<Source = unknown> = Partial<
  Record<"train" | "val" | "test", LabeledSamples<Source>>
>;

/** What the samples of a task are called in messages: `picture`, `text`, … */
export interface SampleNoun {
  one: string;
  many: string;
}

/**
 * A class by its name. A number is an index into the option `labels`; without that option it is a name like any other, so
 * that the classes 3 and 7 become the labels "3" and "7" with the ids 0 and 1.
 */
export type ClassName = string | number;

/** One class a sample, or with `multiLabel` a list for each. */
export type GivenTargets = readonly ClassName[] | readonly (readonly ClassName[])[];

export interface TargetRules {
  multiLabel: boolean;
  labels?: readonly string[] | undefined;
  noun: SampleNoun;
}

/**
 * Pairs samples with what the caller gave as their targets.
 *
 * @throws ConfigurationError `ERR_TARGETS`, `ERR_MULTI_LABEL`, `ERR_UNKNOWN_CLASS`
 */
export function labelSamples<Source>(
  part: string,
  sources: readonly Source[],
  targets: GivenTargets,
  rules: TargetRules,
): LabeledSamples<Source> {
  if (sources.length !== targets.length) {
    const { one, many } = rules.noun;
    const message = `\`${part}\` has ${sources.length} ${many} but ${targets.length} targets. Give one target for each ${one}.`;
    throw new ConfigurationError("ERR_TARGETS", message);
  }
  return { sources, classes: targets.map((target, i) => classesOf(target, `${part}, target ${i}`, rules)) };
}

/** Every class that occurs, in natural order. */
export function collectLabels(parts: readonly LabeledSamples[]): string[] {
  const names = new Set<string>();
  for (const { classes } of parts) for (const sample of classes) for (const name of sample) names.add(name);
  return [...names].sort(compareNaturally);
}

/**
 * The classes as training needs them: the class's number, or with multi-label 0 and 1 for each class, float32 [classes].
 *
 * @param nameOf what a sample is called in an error, where it has a name
 * @throws DataError `ERR_UNKNOWN_CLASS` for a class that is not among the labels
 */
export function encodeTargets<Source>(
  part: string,
  { sources, classes }: LabeledSamples<Source>,
  labels: readonly string[],
  { multiLabel, noun, pathOf }: TargetEncoding<Source>,
): ClassificationTarget[] {
  const ids = new Map(labels.map((label, id) => [label, id]));
  return classes.map((names, i) => {
    const found = names.map((name) => {
      const id = ids.get(name);
      if (id !== undefined) return id;
      const path = pathOf?.(sources[i]!);
      throw new DataError(
        "ERR_UNKNOWN_CLASS",
        `${path ?? `${noun.one} ${i}`} in \`${part}\` has the class ${JSON.stringify(name)}, which is not in the training part or in \`labels\`. ` +
          describeChoices(name, labels),
        { path },
      );
    });
    if (!multiLabel) return found[0]!;
    const hot = new Float32Array(labels.length);
    for (const id of found) hot[id] = 1;
    return new HostTensor(hot, [labels.length]);
  });
}

export interface TargetEncoding<Source> {
  multiLabel: boolean;
  noun: SampleNoun;
  /** The file that a sample comes from, where it comes from one. */
  pathOf?: (source: Source) => string | undefined;
}

/** Some of the samples. */
export function selectSamples<Source>(
  { sources, classes }: LabeledSamples<Source>,
  indices: readonly number[],
): LabeledSamples<Source> {
  return { sources: indices.map((i) => sources[i]!), classes: indices.map((i) => classes[i]!) };
}

/** Reads each labeled part that was given. */
export function collectParts<Given, Source>(
  given: Partial<Record<"train" | "val" | "test", Given>>,
  read: (part: string, given: Given) => LabeledSamples<Source>,
): LabeledParts<Source> {
  const parts: LabeledParts<Source> = {};
  for (const part of LABELED_PARTS) {
    const value = given[part];
    if (value !== undefined) parts[part] = read(part, value);
  }
  return parts;
}

export const LABELED_PARTS = ["train", "val", "test"] as const;

function classesOf(target: ClassName | readonly ClassName[], where: string, rules: TargetRules): string[] {
  if (rules.multiLabel !== Array.isArray(target)) {
    const problem = rules.multiLabel
      ? `is ${JSON.stringify(target)}, but with multiLabel each target is a list of classes`
      : `is a list, ${JSON.stringify(target)}, but each ${rules.noun.one} has one class unless multiLabel: true is given`;
    throw new ConfigurationError("ERR_MULTI_LABEL", `${where} ${problem}.`);
  }
  const names = (Array.isArray(target) ? target : [target]) as readonly ClassName[];
  return [...new Set(names.map((name) => className(name, where, rules)))];
}

function className(name: ClassName, where: string, { labels }: TargetRules): string {
  const refuse = (code: string, problem: string): KindlingError =>
    new ConfigurationError(code, `${where} ${problem}`);
  if (typeof name === "string" && name !== "") return name;
  if (typeof name !== "number" || !Number.isInteger(name)) {
    throw refuse(
      "ERR_TARGETS",
      `must be the name of a class or a whole number, not ${JSON.stringify(name)}.`,
    );
  }
  if (labels === undefined) return String(name);
  const label = labels[name];
  if (label === undefined)
    throw refuse("ERR_UNKNOWN_CLASS", `is ${name}, but \`labels\` has ${labels.length} classes.`);
  return label;
}
