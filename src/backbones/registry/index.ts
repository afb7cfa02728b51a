/** The registry: every backbone that has a name, by domain. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { audioBackbones, type AudioBackboneEntry, type AudioBackboneName } from "./audio.js";
import { detectionBackbones, type DetectionBackboneEntry, type DetectionBackboneName } from "./detection.js";
import type { BackboneEntry } from "./entry.js";
import { imageBackbones, type ImageBackboneEntry, type ImageBackboneName } from "./image.js";
import { textBackbones, type TextBackboneEntry, type TextBackboneName } from "./text.js";

export type { AudioBackboneEntry, AudioBackboneName } from "./audio.js";
export type { DetectionBackboneEntry, DetectionBackboneName, DetectionInput } from "./detection.js";
export type { BackboneEntry, Tried } from "./entry.js";
export type { ImageBackboneEntry, ImageBackboneName } from "./image.js";
export type { TextBackboneEntry, TextBackboneName } from "./text.js";

/** Every table by its domain. */
export const backboneTables = {
  image: imageBackbones,
  text: textBackbones,
  audio: audioBackbones,
  detection: detectionBackbones,
} as const;

/** What a backbone takes in. */
export type BackboneDomain = keyof typeof backboneTables;

/** The names of a domain's backbones. */
export interface BackboneNames {
  image: ImageBackboneName;
  text: TextBackboneName;
  audio: AudioBackboneName;
  detection: DetectionBackboneName;
}

/** The lines of a domain's table. */
export interface BackboneEntries {
  image: ImageBackboneEntry;
  text: TextBackboneEntry;
  audio: AudioBackboneEntry;
  detection: DetectionBackboneEntry;
}

/** The name of any backbone. */
export type BackboneName = BackboneNames[BackboneDomain];

/**
 * The backbones that have a name, which a task's `backbone` takes beside folders and repositories on the hub.
 *
 * @param domain Default: `image`.
 * @example
 * availableBackbones("text"); // ["distilbert-base-uncased", …]
 */
export function availableBackbones<Domain extends BackboneDomain = "image">(
  domain: Domain = "image" as Domain,
): BackboneNames[Domain][] {
  return Object.keys(backboneTables[domain]) as BackboneNames[Domain][];
}

/**
 * What is known of a backbone: where its weights come from, what it takes in, its width, its size and its licence.
 *
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`
 * @example
 * describeBackbone("image", "dinov2_small").numFeatures; // 384
 */
export function describeBackbone<Domain extends BackboneDomain>(
  domain: Domain,
  name: BackboneNames[Domain],
): BackboneEntries[Domain] {
  const entry = findBackbone(domain, name);
  if (entry === undefined) {
    throw new ConfigurationError(
      "ERR_UNKNOWN_BACKBONE",
      `There is no ${domain} backbone ${JSON.stringify(name)}. ${describeChoices(name, availableBackbones(domain))}`,
    );
  }
  return entry;
}

/** A backbone's line in its domain's table; undefined for a name that is not there. */
export function findBackbone<Domain extends BackboneDomain>(
  domain: Domain,
  name: string,
): BackboneEntries[Domain] | undefined {
  const table: Readonly<Record<string, BackboneEntry>> = backboneTables[domain];
  return Object.hasOwn(table, name) ? (table[name] as BackboneEntries[Domain]) : undefined;
}

/** The line of the backbone that comes from this repository on the hub. */
export function findBySource(repository: string): BackboneEntry | undefined {
  const tables = Object.values<Readonly<Record<string, BackboneEntry>>>(backboneTables);
  return tables.flatMap((table) => Object.values(table)).find(({ source }) => source === repository);
}

/** A backbone's line, whatever its domain: no two have the same name. */
export function findAnyBackbone(name: string): BackboneEntry | undefined {
  for (const domain of Object.keys(backboneTables) as BackboneDomain[]) {
    const entry = findBackbone(domain, name);
    if (entry !== undefined) return entry;
  }
  return undefined;
}
