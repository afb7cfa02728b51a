/** What an ObjectDetector is made of: a backbone that a network is put on, or a detector that others have trained. */
import type { PixelNormalization } from "../../backbones/index.js";
import type { LetterboxStyle } from "./letterbox.js";
import { resolveDetectorBackbone, type ResolvedBackbone } from "./detector_backbone.js";
import { findImportedDetector, type ImportedDetector } from "./imported/find_imported_detector.js";
import type { DetectorNetwork } from "./network/detector_network.js";
import { PyramidNetwork } from "./network/pyramid_network.js";
import type { DetectorBackbone } from "./object_detector_options.js";

/** What a network is made for. */
export interface NetworkOptions {
  labels: readonly string[];
  /** Side of the pictures, in pixels. */
  imageSize: number;
}

/** Where an ObjectDetector's network comes from, and how it wants its pictures. */
export interface DetectorSource {
  readonly name: string;
  readonly input: PixelNormalization;
  readonly letterbox: LetterboxStyle;
  /** Whether its weights were loaded rather than drawn. */
  readonly pretrained: boolean;
  /** Side of the pictures unless another is asked for. */
  readonly imageSize: number;
  /** The classes that it knows already, where it is a detector. */
  readonly labels?: readonly string[] | undefined;
  makeNetwork(options: NetworkOptions): DetectorNetwork;
}

const DEFAULT_IMAGE_SIZE = 320;

/** A feature pyramid on a backbone. */
export class PyramidSource implements DetectorSource {
  readonly letterbox = "antialiased";
  readonly imageSize = DEFAULT_IMAGE_SIZE;
  readonly backbone: ResolvedBackbone;

  constructor(backbone: ResolvedBackbone) {
    this.backbone = backbone;
  }

  get name(): string {
    return this.backbone.name;
  }

  get input(): PixelNormalization {
    return this.backbone.input;
  }

  get pretrained(): boolean {
    return this.backbone.pretrained;
  }

  makeNetwork({ labels, imageSize }: NetworkOptions): PyramidNetwork {
    return new PyramidNetwork(this.backbone.module, { numClasses: labels.length, imageSize });
  }
}

/** @throws ConfigurationError as `resolveDetectorBackbone` and `findImportedDetector` do */
export function resolveDetectorSource(
  backbone: string | DetectorBackbone | ImportedDetector,
  pretrained?: boolean | string,
): DetectorSource {
  if (typeof backbone !== "string") return "makeNetwork" in backbone ? backbone : new PyramidSource(backbone);
  return (
    findImportedDetector(backbone, pretrained) ??
    new PyramidSource(resolveDetectorBackbone(backbone, pretrained))
  );
}
