/** The text backbones that have a name, and how one is made. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { BagOfNgrams, type BagOfNgramsOptions } from "./bag_of_ngrams.js";
import { NgramPreprocessor } from "./ngram_preprocessor.js";
import type { SavedTextBackbone, TextBackbone } from "./text_backbone.js";

/** What a backbone may be made from. */
export interface TextBackboneContext {
  /** Training texts, from which n-grams or tokens are learned; undefined where there are none. */
  texts: (() => Iterable<string>) | undefined;
}

interface TextArchitecture {
  create: (name: string, context: TextBackboneContext) => TextBackbone;
  restore: (name: string, saved: SavedTextBackbone, files: Record<string, Uint8Array>) => TextBackbone;
}

const architectures: Record<string, TextArchitecture> = {
  "bag-of-ngrams": {
    create: (name, { texts }) => bagOfNgrams(name, NgramPreprocessor.fit(requireTexts(name, texts)())),
    restore: (name, { options }, files) =>
      bagOfNgrams(name, NgramPreprocessor.fromFiles(files), options as BagOfNgramsOptions),
  },
};

/** The names that a text task's `backbone` takes. */
export function availableTextBackbones(): string[] {
  return Object.keys(architectures);
}

/**
 * @param name one of `availableTextBackbones()`
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_NO_TRAINING_TEXTS`
 */
export function createTextBackbone(name: string, context: TextBackboneContext): TextBackbone {
  return architectureOf(name).create(name, context);
}

/** A backbone as it was saved; its weights are yet to be restored. */
export function restoreTextBackbone(
  name: string,
  saved: SavedTextBackbone,
  files: Record<string, Uint8Array>,
): TextBackbone {
  return architectureOf(saved.kind).restore(name, saved, files);
}

function architectureOf(name: string): TextArchitecture {
  const architecture = Object.hasOwn(architectures, name) ? architectures[name] : undefined;
  if (architecture !== undefined) return architecture;
  throw new ConfigurationError(
    "ERR_UNKNOWN_BACKBONE",
    `There is no text backbone ${JSON.stringify(name)}. ${describeChoices(name, availableTextBackbones())}`,
  );
}

function bagOfNgrams(
  name: string,
  preprocessor: NgramPreprocessor,
  options: BagOfNgramsOptions = { numNgrams: preprocessor.numRows },
): TextBackbone {
  return {
    name,
    module: new BagOfNgrams(options),
    preprocessor,
    recipe: { learningRate: 1e-2, weightDecay: 0 },
    pretrained: false,
    saved: { kind: "bag-of-ngrams", options },
  };
}

function requireTexts(name: string, texts: TextBackboneContext["texts"]): () => Iterable<string> {
  if (texts !== undefined) return texts;
  throw new ConfigurationError(
    "ERR_NO_TRAINING_TEXTS",
    `The backbone ${name} learns from training texts which words there are: make the task with \`data\` that have a \`train\` part.`,
  );
}
