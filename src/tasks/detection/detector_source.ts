/** What an ObjectDetector is made of: a backbone that a network is put on, or a detector that others have trained. */
import type { PixelNormalization } from "../../backbones/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { LetterboxStyle } from "./letterbox.js";
import { resolveDetectorBackbone, type ResolvedBackbone } from "./detector_backbone.js";
import { findImportedDetector } from "./imported/find_imported_detector.js";
import type { DetectorNetwork } from "./network/detector_network.js";
import { PyramidNetwork } from "./network/pyramid_network.js";
import { SsdLiteNetwork } from "./network/ssdlite_network.js";
import type { DetectorBackbone, DetectorHead, ObjectDetectorOptions } from "./object_detector_options.js";

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
  /** AdamW's rate after warm-up unless another is asked for. */
  readonly learningRate: number;
  /** The classes that it knows already, where it is a detector. */
  readonly labels?: readonly string[] | undefined;
  makeNetwork(options: NetworkOptions): DetectorNetwork;
}

const DEFAULT_IMAGE_SIZE = 320;
const DEFAULT_LEARNING_RATE = 1e-3;

/** The networks that are put on a backbone, by the option `head`. */
const NETWORKS = { fcos: PyramidNetwork, ssdlite: SsdLiteNetwork };

/** A network on a backbone's maps. */
export class BackboneSource implements DetectorSource {
  readonly letterbox = "antialiased";
  readonly imageSize = DEFAULT_IMAGE_SIZE;
  readonly learningRate = DEFAULT_LEARNING_RATE;
  readonly backbone: ResolvedBackbone;
  readonly head: DetectorHead;

  /** @throws ConfigurationError `ERR_DETECTOR_OPTION` for a head that there is not */
  constructor(backbone: ResolvedBackbone, head: DetectorHead = "fcos") {
    this.backbone = backbone;
    this.head = head;
    if (Object.hasOwn(NETWORKS, head)) return;
    throw new ConfigurationError(
      "ERR_DETECTOR_OPTION",
      `There is no head ${JSON.stringify(head)}. ${describeChoices(String(head), Object.keys(NETWORKS))}`,
    );
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

  makeNetwork({ labels, imageSize }: NetworkOptions): DetectorNetwork {
    return new NETWORKS[this.head](this.backbone.module, { numClasses: labels.length, imageSize });
  }
}

/**
 * @throws ConfigurationError `ERR_DETECTOR_OPTION` for a head on what is a detector already; as `resolveDetectorBackbone` and
 *   `findImportedDetector` do
 */
export function resolveDetectorSource({
  backbone,
  pretrained,
  head,
}: Pick<ObjectDetectorOptions, "backbone" | "pretrained" | "head">): DetectorSource {
  const imported =
    typeof backbone === "string"
      ? findImportedDetector(backbone, pretrained)
      : "makeNetwork" in backbone
        ? backbone
        : undefined;
  if (imported === undefined) {
    return new BackboneSource(
      resolveDetectorBackbone(backbone as string | DetectorBackbone, pretrained),
      head,
    );
  }
  if (head === undefined) return imported;
  throw new ConfigurationError(
    "ERR_DETECTOR_OPTION",
    `${imported.name} is a detector with a head of its own; leave \`head\` out.`,
  );
}
