/**
 * Writes tokenizer.json: what Hugging Face's own implementation (the npm package `tokenizers` 0.23.2, native code) makes of
 * 10,000 strings with a BERT tokenizer and with a byte-level one that it reads from our files, and the merges that it learns.
 *
 *   npm install --no-save --ignore-scripts tokenizers@0.23.2 && npx tsx tests/golden/make_tokenizer.ts
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer } from "../../src/data/text/tokenizer.js";
import { fingerprint, variedStrings } from "../support/varied_strings.js";

interface Native {
  disableTruncation(): void;
  disablePadding(): void;
  setPreTokenizer(preTokenizer: unknown): void;
  train(files: string[]): void;
  save(path: string): void;
  encode(text: string): Promise<{ getIds(): number[] }>;
}
const native = createRequire(process.env.TOKENIZERS ?? import.meta.url)("tokenizers") as {
  Tokenizer: { fromString(json: string): Native; new (model: unknown): Native };
  BPE: { empty(): unknown };
  byteLevelPreTokenizer(addPrefixSpace: boolean, useRegex: boolean): unknown;
};
const strings = variedStrings(10_000);
const bert = readFileSync(join(import.meta.dirname, "../../../shared/models/tokenizer-minilm/tokenizer.json"), "utf8");
const trained = Tokenizer.train(strings, { model: "byte-level-bpe", vocabSize: 1500 });
const file = Buffer.from(trained.files()["tokenizer.json"]!).toString();

async function fingerprints(json: string): Promise<string> {
  const tokenizer = native.Tokenizer.fromString(json);
  tokenizer.disableTruncation();
  tokenizer.disablePadding();
  const hashes = new Uint32Array(strings.length);
  for (const [i, text] of strings.entries()) hashes[i] = fingerprint((await tokenizer.encode(text)).getIds());
  return Buffer.from(hashes.buffer).toString("base64");
}

function learnedMerges(): string[] {
  const folder = mkdtempSync(join(tmpdir(), "kindling-"));
  writeFileSync(join(folder, "texts.txt"), strings.slice(0, 400).filter((text) => !/[\r\n]/.test(text)).join("\n"));
  const tokenizer = new native.Tokenizer(native.BPE.empty());
  tokenizer.setPreTokenizer(native.byteLevelPreTokenizer(false, true));
  tokenizer.train([join(folder, "texts.txt")]);
  tokenizer.save(join(folder, "tokenizer.json"));
  const { model } = JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8")) as {
    model: { merges: (string | string[])[] };
  };
  return model.merges.slice(0, 1000).map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
}

writeFileSync(
  join(import.meta.dirname, "tokenizer.json"),
  JSON.stringify({ bert: await fingerprints(bert), byteLevel: await fingerprints(file), merges: learnedMerges() }),
);
