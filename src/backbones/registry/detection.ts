/** The object detectors that have a name. */
import type { ImageInput } from "../image_backbone.js";
import type { BackboneEntry } from "./entry.js";

/** A line of the table of detectors. */
export interface DetectionBackboneEntry extends BackboneEntry {
  /** How pictures are prepared; a `preprocessor_config.json` beside the weights says it more exactly. */
  readonly input: ImageInput;
}

export const detectionBackbones = {} as const satisfies Record<string, DetectionBackboneEntry>;

/** The names of detectors. */
export type DetectionBackboneName = keyof typeof detectionBackbones;
