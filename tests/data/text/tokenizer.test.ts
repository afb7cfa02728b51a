/** Tokenizers against Hugging Face's own implementation, whose results are the golden. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as library from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { describeShared } from "../../support/shared.js";
import { fingerprint, variedStrings } from "../../support/varied_strings.js";

const golden = JSON.parse(readFileSync(join(import.meta.dirname, "../../golden/tokenizer.json"), "utf8")) as {
  bert: string;
  byteLevel: string;
  merges: string[];
};
const strings = variedStrings(10_000);
const jsonOf = (tokenizer: Tokenizer) =>
  JSON.parse(Buffer.from(tokenizer.files()["tokenizer.json"]!).toString()) as { model: { merges: string[] } };

function differences(tokenizer: Tokenizer, expected: string, count = strings.length): string[] {
  const bytes = new Uint8Array(Buffer.from(expected, "base64"));
  const hashes = new Uint32Array(bytes.buffer);
  return strings.slice(0, count).filter((text, i) => fingerprint(tokenizer.encode(text).ids) !== hashes[i]);
}

describeShared("models/tokenizer-minilm", (folder) => {
  it("makes the tokens of 10,000 strings that the reference makes", () => {
    expect(differences(Tokenizer.fromFile(folder), golden.bert)).toEqual([]);
  });

  it("truncates within the special tokens, and counts", () => {
    const tokenizer = Tokenizer.fromFile(folder);
    const { ids, truncated } = tokenizer.encode("one two three four five", { maxLength: 5 });
    expect(Array.from(ids, (id) => tokenizer.token(id))).toEqual(["[CLS]", "one", "two", "three", "[SEP]"]);
    expect(truncated).toBe(2);
    const pair = tokenizer.encode("one two three", { pair: "yes no", maxLength: 6 });
    expect(Array.from(pair.ids, (id) => tokenizer.token(id))).toEqual([
      "[CLS]",
      "one",
      "[SEP]",
      "yes",
      "no",
      "[SEP]",
    ]);
    expect([...pair.typeIds]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(pair.truncated).toBe(2);
  });

  it("knows which word each token is of", () => {
    const { wordIds } = Tokenizer.fromFile(folder).encodeWords(["huggingly", "is", "ok"]);
    expect([...wordIds]).toEqual([-1, 0, 0, 1, 2, -1]);
  });
});

describe("training", () => {
  it("learns the merges that the reference learns", () => {
    const texts = strings.slice(0, 400).filter((text) => !/[\r\n]/.test(text));
    const tokenizer = Tokenizer.train(
      // The reference reads lines with their ends.
      texts.map((text, i) => (i < texts.length - 1 ? `${text}\n` : text)),
      { model: "byte-level-bpe", vocabSize: 30_000, minFrequency: 0 },
    );
    expect(jsonOf(tokenizer).model.merges.slice(0, 1000)).toEqual(golden.merges);
  });

  it("writes a byte-level tokenizer that the reference reads alike, and that gives every text back", () => {
    const tokenizer = Tokenizer.train(strings, { model: "byte-level-bpe", vocabSize: 1500 });
    expect(differences(tokenizer, golden.byteLevel, 2000)).toEqual([]);
    const broken = strings
      .slice(0, 2000)
      .filter((text) => tokenizer.decode(tokenizer.encode(text).ids) !== text);
    expect(broken).toEqual([]);
  });

  it.each(["word-piece", "byte-level-bpe"] as const)(
    "writes a %s file that @huggingface/tokenizers reads",
    (model) => {
      const tokenizer = Tokenizer.train(["the cat sat on the mat", "the cats sat"], {
        model,
        vocabSize: 300,
      });
      const files = tokenizer.files();
      const [json, config] = ["tokenizer.json", "tokenizer_config.json"].map(
        (name) => JSON.parse(Buffer.from(files[name]!).toString()) as object,
      );
      const { Tokenizer: Other } = library as unknown as {
        Tokenizer: new (json: object, config: object) => { encode(text: string): { ids: number[] } };
      };
      const text = "the cat sat";
      expect(new Other(json!, config!).encode(text).ids).toEqual([...tokenizer.encode(text).ids]);
      expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
      const again = Tokenizer.fromFiles(files);
      expect(again.encode(text)).toEqual(tokenizer.encode(text));
    },
  );

  it("refuses texts without words, small vocabularies, and files that are none", () => {
    const code = expect.objectContaining({ code: "ERR_TOKENIZER" }) as Error;
    expect(() => Tokenizer.train(["", "  "])).toThrow(code);
    expect(() => Tokenizer.train(["a"], { vocabSize: 10 })).toThrow(code);
    expect(() => Tokenizer.fromFile("/nowhere")).toThrow(code);
    expect(() => new Tokenizer({})).toThrow(code);
  });
});
