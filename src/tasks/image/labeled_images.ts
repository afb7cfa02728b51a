/** Pictures with the names of their classes: one part of a classification data set, before it is read. */
import { ConfigurationError, DataError, describeChoices, type KindlingError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import {
  compareNaturally,
  isPixelData,
  type ClassificationTarget,
  type ImageSource,
} from "../../data/index.js";

export interface LabeledImages {
  images: readonly ImageSource[];
  /** For each picture its classes: exactly one, or with multi-label any number. */
  classes: readonly (readonly string[])[];
}

/**
 * A class by its name. A number is an index into the option `labels`; without that option it is a name like any other, so
 * that the classes 3 and 7 become the labels "3" and "7" with the ids 0 and 1.
 */
export type ClassName = string | number;

/** One class a picture, or with `multiLabel` a list for each. */
export type GivenTargets = readonly ClassName[] | readonly (readonly ClassName[])[];

export interface TargetRules {
  multiLabel: boolean;
  labels?: readonly string[] | undefined;
}

/**
 * Pairs pictures with what the caller gave as their targets.
 *
 * @throws ConfigurationError `ERR_TARGETS`, `ERR_MULTI_LABEL`, `ERR_UNKNOWN_CLASS`
 */
export function labelImages(
  part: string,
  images: readonly ImageSource[],
  targets: GivenTargets,
  rules: TargetRules,
): LabeledImages {
  if (images.length !== targets.length) {
    const message = `\`${part}\` has ${images.length} pictures but ${targets.length} targets. Give one target a picture.`;
    throw new ConfigurationError("ERR_TARGETS", message);
  }
  return { images, classes: targets.map((target, i) => classesOf(target, `${part}, target ${i}`, rules)) };
}

/** Every class that occurs, in natural order. */
export function collectLabels(parts: readonly LabeledImages[]): string[] {
  return [...new Set(parts.flatMap(({ classes }) => classes.flat()))].sort(compareNaturally);
}

/**
 * The classes as training needs them: the class's number, or with multi-label 0 and 1 for each class, float32 [classes].
 *
 * @throws DataError `ERR_UNKNOWN_CLASS` for a class that is not among the labels
 */
export function encodeTargets(
  part: string,
  { images, classes }: LabeledImages,
  labels: readonly string[],
  multiLabel: boolean,
): ClassificationTarget[] {
  const ids = new Map(labels.map((label, id) => [label, id]));
  return classes.map((names, i) => {
    const found = names.map((name) => {
      const id = ids.get(name);
      if (id !== undefined) return id;
      const source = images[i];
      const where = typeof source === "string" ? source : `picture ${i}`;
      throw new DataError(
        "ERR_UNKNOWN_CLASS",
        `${where} in \`${part}\` has the class ${JSON.stringify(name)}, which is not in the training part or in \`labels\`. ` +
          describeChoices(name, labels),
        { path: typeof source === "string" ? source : undefined },
      );
    });
    if (!multiLabel) return found[0]!;
    const hot = new Float32Array(labels.length);
    for (const id of found) hot[id] = 1;
    return new HostTensor(hot, [labels.length]);
  });
}

/** Some of the pictures. */
export function selectImages({ images, classes }: LabeledImages, indices: readonly number[]): LabeledImages {
  return { images: indices.map((i) => images[i]!), classes: indices.map((i) => classes[i]!) };
}

/** Pictures in memory: raw pixels, or uint8 or float32 [count, height, width, channels] with values 0 to 255. */
export type ImageArrays = readonly ImageSource[] | HostTensor;

/** @throws ConfigurationError `ERR_IMAGE_ARRAY` for a tensor of another shape or type */
export function listImages(part: string, images: ImageArrays): readonly ImageSource[] {
  if (!(images instanceof HostTensor)) return images;
  const { data, shape, dtype } = images;
  const [count, height, width, channels] = shape;
  if (shape.length !== 4 || data instanceof Int32Array || dtype === "bool") {
    throw new ConfigurationError(
      "ERR_IMAGE_ARRAY",
      `\`${part}\` must be uint8 or float32 [count, height, width, channels], not ${dtype} [${shape.join(", ")}].`,
    );
  }
  const size = height! * width! * channels!;
  return Array.from({ length: count! }, (_, i) => ({
    data: data.subarray(i * size, (i + 1) * size),
    width: width!,
    height: height!,
    channels: channels!,
  }));
}

/** What a source is called in lists: its path or address, or what it is. */
export function nameOfSource(source: ImageSource, index: number): string {
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return isPixelData(source) ? `pixels ${index}` : `buffer ${index}`;
}

function classesOf(target: ClassName | readonly ClassName[], where: string, rules: TargetRules): string[] {
  if (rules.multiLabel !== Array.isArray(target)) {
    const problem = rules.multiLabel
      ? `is ${JSON.stringify(target)}, but with multiLabel each target is a list of classes`
      : `is a list, ${JSON.stringify(target)}, but each picture has one class unless multiLabel: true is given`;
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
