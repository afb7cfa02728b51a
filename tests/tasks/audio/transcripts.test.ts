/** Transcripts: error rates, decoding, language models, normalisation, vocabularies, tables and layouts. */
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { beamSearch } from "../../../src/tasks/audio/decoding/beam_search.js";
import { alignTokens } from "../../../src/tasks/audio/decoding/forced_alignment.js";
import { greedyTokens, type LogProbabilities } from "../../../src/tasks/audio/decoding/log_probabilities.js";
import {
  characterErrorRate,
  describeUtterances,
  NGramLanguageModel,
  SpeechRecognitionData,
  Vocabulary,
  wordErrorRate,
  worstUtterances,
} from "../../../src/tasks/audio/index.js";
import { normalizeTranscript } from "../../../src/tasks/audio/transcripts/normalize.js";
import { Generator } from "../../../src/random.js";

const code = (value: string) => expect.objectContaining({ code: value }) as Error;

describe("error rates", () => {
  it("are those of jiwer's documentation and of counting by hand", () => {
    // https://github.com/jitsi/jiwer: "hello world" heard as "hello duck" is 0.5.
    expect(wordErrorRate("hello duck", "hello world").rate).toBe(0.5);
    expect(wordErrorRate(["a b c", "x"], ["a c", "x y"])).toEqual({
      rate: 0.5,
      substitutions: 0,
      insertions: 1,
      deletions: 1,
      length: 4,
    });
    // https://torchmetrics.readthedocs.io, char_error_rate: 0.3415.
    const predictions = ["this is the prediction", "there is an other sample"];
    const targets = ["this is the reference", "there is another one"];
    expect(characterErrorRate(predictions, targets).rate).toBeCloseTo(0.3415, 4);
    expect(wordErrorRate(predictions, targets).rate).toBeCloseTo(0.5, 10);
    expect(() => wordErrorRate(["a"], ["a", "b"])).toThrow(code("ERR_TRANSCRIPTS"));
  });

  it("list the worst utterances with their edits", () => {
    const worst = worstUtterances(
      ["one two", "six", "four four"],
      ["one two", "six seven eight", "four five"],
      2,
    );
    expect(worst.map(({ index }) => index)).toEqual([1, 2]);
    expect(describeUtterances(worst)).toContain("heard six *");
  });
});

/** Rows of probabilities, blank first. */
function frames(...rows: number[][]): LogProbabilities {
  const data = Float32Array.from(rows.flat(), Math.log);
  return { data, frames: rows.length, classes: rows[0]!.length };
}

/** Every sequence of classes, collapsed, with the sum of its probabilities: what a search must find the best of. */
function bestText({ data, frames: length, classes }: LogProbabilities): string {
  const sums = new Map<string, number>();
  const visit = (t: number, text: string, last: number, probability: number): void => {
    if (t === length) return void sums.set(text, (sums.get(text) ?? 0) + probability);
    for (let c = 0; c < classes; c++) {
      const longer = c !== 0 && c !== last ? text + c : text;
      visit(t + 1, longer, c, probability * Math.exp(data[t * classes + c]!));
    }
  };
  visit(0, "", 0, 1);
  return [...sums].sort((a, b) => b[1] - a[1])[0]![0];
}

describe("decoding", () => {
  const vocabulary = new Vocabulary("characters", ["a", "b"]);

  it("finds the text whose alignments are most probable together, which greedy may miss", () => {
    // Hannun et al.: each frame prefers the blank, but most alignments spell "a".
    const probabilities = frames([0.6, 0.4, 1e-9], [0.6, 0.4, 1e-9]);
    expect(greedyTokens(probabilities)).toEqual([]);
    expect(beamSearch(probabilities, vocabulary)).toEqual([1]);
  });

  it("agrees with trying every alignment", () => {
    const random = new Generator(4);
    for (let i = 0; i < 50; i++) {
      const rows = Array.from({ length: 5 }, () => {
        const row = [0, 1, 2].map(() => random.uniform() ** 2 + 0.01);
        const sum = row[0]! + row[1]! + row[2]!;
        return row.map((value) => value / sum);
      });
      const probabilities = frames(...rows);
      expect(beamSearch(probabilities, vocabulary, { beamWidth: 100 }).join("")).toBe(
        bestText(probabilities),
      );
    }
  });

  it("listens to a language model and to hot words", () => {
    const words = new Vocabulary("words", ["their", "there"]);
    const close = frames([0.02, 0.5, 0.48]);
    expect(beamSearch(close, words)).toEqual([1]);
    const languageModel = NGramLanguageModel.fromTexts(["there", "there", "there"]);
    expect(beamSearch(close, words, { languageModel })).toEqual([2]);
    expect(beamSearch(close, words, { hotWords: ["there"] })).toEqual([2]);
  });

  it("finds the frames of tokens, and says where there are too few", () => {
    const probabilities = frames([0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.9, 0.1], [0.3, 0.7]);
    const aligned = alignTokens(probabilities, [1, 1])!;
    expect(aligned.map(({ start, end }) => [start, end])).toEqual([
      [1, 3],
      [4, 5],
    ]);
    expect(aligned[0]!.score).toBeCloseTo(Math.sqrt(0.8 * 0.9), 5);
    expect(alignTokens(frames([0.5, 0.5], [0.5, 0.5]), [1, 1])).toBeUndefined();
  });
});

describe("NGramLanguageModel", () => {
  const model = NGramLanguageModel.fromTexts(["a b c", "a b", "c a b"], { order: 3 });

  it("gives probabilities that add up to 1, whatever comes before", () => {
    for (const context of [[], ["a"], ["a", "b"], ["c", "c"], ["x", "y"]]) {
      const known = ["a", "b", "c"].map((word) => Math.exp(model.score(context, word)));
      const total = known.reduce((sum, value) => sum + value, Math.exp(model.scoreEnd(context)));
      expect(total + Math.exp(model.score(context, "x"))).toBeCloseTo(1, 6);
    }
    expect(model.score(["a"], "b")).toBeGreaterThan(model.score(["a"], "c"));
  });

  it("reads ARPA files with back-off", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "kindling-arpa-")), "model.arpa");
    const lines = [
      "\\data\\",
      "ngram 1=3",
      "ngram 2=1",
      "",
      "\\1-grams:",
      "-0.5\t<unk>",
      "-0.3\ta\t-0.2",
      "-0.7\tb",
      "",
    ];
    writeFileSync(path, [...lines, "\\2-grams:", "-0.1\ta b", "", "\\end\\"].join("\n"));
    const arpa = await NGramLanguageModel.fromArpa(path);
    expect(arpa.score(["a"], "b")).toBeCloseTo(-0.1 * Math.LN10, 6);
    expect(arpa.score(["a"], "a")).toBeCloseTo(-0.5 * Math.LN10, 6);
    expect(arpa.score(["a"], "zebra")).toBeCloseTo(-0.7 * Math.LN10, 6);
    writeFileSync(path, "\\1-grams:\nnot a number\n");
    await expect(NGramLanguageModel.fromArpa(path)).rejects.toThrow(code("ERR_ARPA"));
  });
});

describe("transcripts", () => {
  it("are normalised as told", () => {
    expect(normalizeTranscript("  Don’t  STOP—she said: 'well-known'!\n")).toBe(
      "don't stop she said well-known",
    );
    expect(normalizeTranscript("Ünïcode & Co", { replace: { "&": "and" } })).toBe("ünïcode and co");
    expect(normalizeTranscript("A.B", { lowercase: false, removePunctuation: false })).toBe("A.B");
  });

  it("become tokens and back, or say what is not in the vocabulary", () => {
    const vocabulary = Vocabulary.fromTranscripts(["ab a", "b"], "characters");
    expect(vocabulary.tokens).toEqual(["", " ", "a", "b"]);
    const ids = vocabulary.encode("ba b", { name: "x" });
    expect(vocabulary.decode(ids)).toBe("ba b");
    expect(() => vocabulary.encode("aé", { name: "x.wav" })).toThrow(/x\.wav.*characters that are not.*"é"/);
  });
});

describe("SpeechRecognitionData", () => {
  const wav = resolve(import.meta.dirname, "../../data/audio/fixtures/mono.wav");
  const root = mkdtempSync(join(tmpdir(), "kindling-speech-data-"));
  cpSync(wav, join(root, "a.wav"));
  cpSync(wav, join(root, "b.wav"));

  it("reads CSV, JSON lines, folders, LibriSpeech's layout and Common Voice's", async () => {
    writeFileSync(join(root, "t.csv"), 'audio,text\na.wav,"Seven, three"\nb.wav,one\n');
    const csv = await SpeechRecognitionData.fromCsv({ train: join(root, "t.csv"), tokens: "words" });
    expect(csv.vocabulary.tokens.slice(1)).toEqual(["one", "seven", "three"]);
    expect(csv.describe()).toContain('"Seven, three" is learnt as "seven three"');

    writeFileSync(join(root, "t.jsonl"), '{"audio_filepath":"a.wav","text":"one"}\n{"text":"two"}\n');
    const options = { train: join(root, "t.jsonl"), audioColumn: "audio_filepath" };
    await expect(SpeechRecognitionData.fromJsonl(options)).rejects.toThrow(/row 2/);
    const jsonl = await SpeechRecognitionData.fromJsonl({ ...options, onBadSample: "skip" });
    expect(jsonl.counts.train).toBe(1);

    const libri = join(root, "libri", "19", "198");
    mkdirSync(libri, { recursive: true });
    cpSync(wav, join(libri, "19-198-0000.wav"));
    writeFileSync(join(libri, "19-198.trans.txt"), "19-198-0000 NORTHANGER ABBEY\n");
    const libriSpeech = await SpeechRecognitionData.fromFolders({
      train: join(root, "libri"),
      tokens: "words",
    });
    expect(libriSpeech.vocabulary.tokens).toContain("northanger");

    const voice = join(root, "voice");
    mkdirSync(join(voice, "clips"), { recursive: true });
    cpSync(wav, join(voice, "clips", "c.wav"));
    writeFileSync(join(voice, "train.tsv"), 'client_id\tpath\tsentence\nx\tc.wav\tHe said "hi"\n');
    const common = await SpeechRecognitionData.fromCommonVoice({ folder: voice, tokens: "words" });
    expect(common.vocabulary.tokens.slice(1)).toEqual(["he", "hi", "said"]);
  });

  it("finds sounds and transcripts that cannot be used before training", async () => {
    const train = { files: [wav], transcripts: ["abc"] };
    const val = { files: [wav, wav], transcripts: ["abz", "cab"] };
    const strict = await SpeechRecognitionData.fromFiles({ train, val });
    await expect(strict.setup("fit")).rejects.toThrow(code("ERR_TRANSCRIPT_TOKEN"));
    const lenient = await SpeechRecognitionData.fromFiles({ train, val, onBadSample: "skip" });
    await lenient.setup("fit");
    expect(lenient.counts).toEqual({ train: 1, val: 1 });
    expect(lenient.skipped[0]).toMatchObject({ part: "val", path: wav });
    const short = await SpeechRecognitionData.fromFiles({ train, minSeconds: 10 });
    await expect(short.setup("fit")).rejects.toThrow(code("ERR_AUDIO_DURATION"));
    await expect(
      SpeechRecognitionData.fromFiles({ train: { files: [wav], transcripts: [] } }),
    ).rejects.toThrow(code("ERR_TRANSCRIPTS"));
  });

  it("takes shares of the whole from the training part, and none from a dataset that makes its sounds", async () => {
    const transcripts = Array.from({ length: 20 }, (_, i) => "abc".repeat(i + 1));
    const files = transcripts.map(() => wav);
    const data = await SpeechRecognitionData.fromFiles({
      train: { files, transcripts },
      valSplit: 0.5,
      testSplit: 0.25,
    });
    expect(data.counts).toEqual({ train: 5, val: 10, test: 5 });
    const said = (["train", "val", "test"] as const).flatMap((part) => data.samples(part));
    expect(said.map(({ transcript }) => transcript).sort()).toEqual([...transcripts].sort());
    const made = { length: 4, get: () => ({ audio: wav, transcript: "abc" }) };
    const options = { train: made, tokens: data.vocabulary, valSplit: 0.5 };
    expect(() => SpeechRecognitionData.fromTranscribedDatasets(options)).toThrow(code("ERR_PARTS"));
  });

  it("makes batches of like lengths", async () => {
    const data = await SpeechRecognitionData.fromFiles({
      train: { files: [wav, wav, wav], transcripts: ["abc", "a", "b c"] },
      batchSize: 2,
      seed: 1,
    });
    await data.setup("fit");
    for await (const { input, length, target, targetLength } of data.trainDataloader()!) {
      expect(input.shape).toEqual([2, input.shape[1]]);
      expect(Math.max(...length.data)).toBeLessThanOrEqual(input.shape[1]!);
      expect(target!.shape[1]).toBeGreaterThanOrEqual(Math.max(...targetLength!.data));
    }
  });

  it("trims sounds to speech, half of those that are trained on, where there is room, and no predictions", async () => {
    const samples = new Float32Array(8000);
    samples.fill(0.5, 3000, 7900);
    const sounds = { files: Array.from({ length: 64 }, () => ({ samples, sampleRate: 8000 })) };
    const speech = { ...sounds, transcripts: sounds.files.map(() => "abc") };
    const data = await SpeechRecognitionData.fromFiles({
      train: speech,
      val: speech,
      predict: sounds.files,
      trainTransforms: [],
      batchSize: 64,
    });
    const lengths = async (part: "train" | "val" | "predict"): Promise<number[]> => {
      for await (const { length } of data[`${part}Dataloader`]()!) return [...length.data];
      return [];
    };
    const attach = (maximum: number): void =>
      data.attachPreprocessing({ sampleRate: 8000, trainTransforms: [], unit: 80, margin: 240, maximum });
    attach(Infinity);
    const trimmed = 4900 + 2 * 240;
    expect(new Set(await lengths("val"))).toEqual(new Set([trimmed]));
    expect(new Set(await lengths("predict"))).toEqual(new Set([8000]));
    const learnt = await lengths("train");
    const share = learnt.filter((length) => length === trimmed).length / 64;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.7);
    expect(new Set(learnt)).toEqual(new Set([trimmed, 8000]));
    attach(trimmed - 1);
    expect(new Set(await lengths("val"))).toEqual(new Set([8000]));
  });
});
