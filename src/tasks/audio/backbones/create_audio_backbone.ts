/** Makes the backbones of AudioClassifier, anew and as they were saved. */
import { existsSync } from "node:fs";
import { ConfigurationError, describeChoices } from "../../../errors.js";
import type { AudioBackbone } from "./audio_backbone.js";
import { AudioCnn } from "./audio_cnn.js";
import { openWakeWordBackbone, readOpenWakeWord } from "./open_wake_word.js";

export const DEFAULT_AUDIO_BACKBONE = "audio_cnn";

/** @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_BACKBONE_FOLDER` */
export function createAudioBackbone(name: string): AudioBackbone {
  if (name === DEFAULT_AUDIO_BACKBONE) {
    const module = new AudioCnn();
    return { kind: "module", name, module, numFeatures: module.numFeatures, pretrained: false };
  }
  if (existsSync(name)) return readOpenWakeWord(name);
  throw new ConfigurationError(
    "ERR_UNKNOWN_BACKBONE",
    `There is no audio backbone ${JSON.stringify(name)}, and no folder of that name. ${describeChoices(name, [DEFAULT_AUDIO_BACKBONE])}`,
  );
}

/** @throws ConfigurationError `ERR_BACKBONE_MISSING` for one that is not Kindling's */
export function restoreAudioBackbone(
  path: string,
  { kind, name }: { kind: AudioBackbone["kind"]; name: string },
  files: Readonly<Record<string, Uint8Array>>,
): AudioBackbone {
  if (kind === "frozen" && name === "openwakeword") return openWakeWordBackbone(files);
  if (name === DEFAULT_AUDIO_BACKBONE) return createAudioBackbone(name);
  throw new ConfigurationError(
    "ERR_BACKBONE_MISSING",
    `${path} was saved with the backbone ${JSON.stringify(name)}, which is none of Kindling's. ` +
      "The file holds its weights but no code: load it with { backbone }.",
  );
}
