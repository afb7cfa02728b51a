/** Models that were fine-tuned for CTC and published: an encoder, a head, and the tokens of the head's classes. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BackboneDtype } from "../../backbones/backbone_files.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import type { OnnxSpeechEncoder } from "./encoders/onnx_speech_encoder.js";
import { loadSpeechEncoder, speechEncoderFolder } from "./encoders/open_speech_encoder.js";
import { Vocabulary } from "./transcripts/vocabulary.js";

/** What a recogniser is made of. */
export interface PretrainedCtc {
  encoder: OnnxSpeechEncoder;
  vocabulary: Vocabulary;
  /** Of a linear layer, for the classes of `vocabulary`. */
  head: { weight: HostTensor; bias: HostTensor };
}

interface Tokenizer {
  model?: { vocab?: Record<string, number> };
  added_tokens?: { content: string; special?: boolean }[];
}

/**
 * @param model as `loadSpeechEncoder` takes it, with `tokenizer.json` or `vocab.json` beside it
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where there is no head or are no tokens of characters, and as
 *   `loadSpeechEncoder`
 */
export async function loadPretrainedCtc(model: string, dtype?: BackboneDtype): Promise<PretrainedCtc> {
  const encoder = await loadSpeechEncoder(model, { dtype });
  const { folder } = speechEncoderFolder(model, { dtype });
  const refuse = (problem: string): never => {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `${model} cannot be used for recognition: ${problem}`,
    );
  };
  const published = encoder.publishedHead();
  if (published === undefined) {
    return refuse(
      "it has no `logits`. Fine-tune it: give it as the `encoder` of a SpeechRecognizer with `data`.",
    );
  }
  const { ids, special, delimiter, blank } = readTokens(folder, refuse);
  const classes = published.bias.length;
  const texts = [...ids].filter(([token, id]) => id !== blank && id < classes && !special.has(token));
  if (!(blank >= 0 && blank < classes))
    refuse(`its padding token, CTC's blank, is ${blank} of ${classes} classes.`);
  if (texts.some(([token]) => token.includes("▁"))) {
    refuse("its tokens are pieces of words, not characters.");
  }
  // The blank comes first here, and classes that no text is written with are left out.
  const rows = [blank, ...texts.map(([, id]) => id)];
  const weight = Float32Array.from(rows.flatMap((id) => published.weight[id]!));
  const bias = Float32Array.from(rows, (id) => published.bias[id]!);
  return {
    encoder,
    vocabulary: new Vocabulary(
      "characters",
      texts.map(([token]) => (token === delimiter ? " " : token)),
    ),
    head: {
      weight: new HostTensor(weight, [rows.length, encoder.numFeatures]),
      bias: new HostTensor(bias, [rows.length]),
    },
  };
}

function readTokens(folder: string, refuse: (problem: string) => never) {
  const read = (name: string): Record<string, unknown> | undefined => {
    const path = join(folder, name);
    if (!existsSync(path)) return undefined;
    try {
      return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    } catch {
      return refuse(`${path} is not valid JSON.`);
    }
  };
  const tokenizer = read("tokenizer.json") as Tokenizer | undefined;
  const vocabulary = tokenizer?.model?.vocab ?? (read("vocab.json") as Record<string, number> | undefined);
  if (vocabulary === undefined)
    return refuse("it has neither tokenizer.json nor vocab.json, which name its tokens.");
  const config = read("tokenizer_config.json") ?? {};
  const { pad_token: padding = "<pad>", word_delimiter_token: delimiter = "|" } = config;
  const ids = new Map(Object.entries(vocabulary).sort((a, b) => a[1] - b[1]));
  const added = (tokenizer?.added_tokens ?? [])
    .filter(({ special }) => special)
    .map(({ content }) => content);
  const named = [config.bos_token, config.eos_token, config.unk_token].map(contentOf);
  const special = new Set([...added, ...named, "<s>", "</s>", "<unk>"]);
  const blank = ids.get(contentOf(padding)) ?? Number(read("config.json")?.pad_token_id ?? -1);
  return { ids, special, delimiter: contentOf(delimiter), blank };
}

/** A token is written as its text, or as an object that has it. */
function contentOf(token: unknown): string {
  if (typeof token === "object" && token !== null && "content" in token) return String(token.content);
  return typeof token === "string" ? token : "";
}
