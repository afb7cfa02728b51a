/** Half an hour of joined digits in one go: what is understood, beside the same digits in short pieces, and in how much memory. */
import { Generator, wordErrorRate, type SpeechRecognizer } from "kindling";
import { joinTakes, LONGEST_UTTERANCE, SAMPLE_RATE, type Take } from "./digits.js";

const MINUTES = 30;
const PAUSE_SECONDS = 0.3;

/**
 * `differences` is the word error rate of the whole against the pieces, `wer` that against what is said, and `werInPieces`
 * the pieces'. `memoryMb` is by how much the process has grown at most.
 */
export async function longSound(
  task: SpeechRecognizer,
  takes: readonly Take[],
): Promise<Record<string, number>> {
  const random = new Generator(1);
  const pieces: Float32Array[] = [];
  const said: string[] = [];
  for (let samples = 0; samples < MINUTES * 60 * SAMPLE_RATE;) {
    const { audio, transcript } = joinTakes(takes, 1 + random.integer(LONGEST_UTTERANCE), random);
    const piece = (audio as { samples: Float32Array }).samples;
    pieces.push(piece);
    said.push(transcript);
    samples += piece.length + PAUSE_SECONDS * SAMPLE_RATE;
  }
  const inPieces = await task.predict(pieces.map((samples) => ({ samples, sampleRate: SAMPLE_RATE })));
  const short = inPieces.map(({ text }) => text).join(" ");

  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 50);
  const start = performance.now();
  const whole = await task.predict({ chunks: withPauses(pieces), sampleRate: SAMPLE_RATE });
  const seconds = (performance.now() - start) / 1000;
  clearInterval(timer);

  const rate = (heard: string, expected: string): number => wordErrorRate([heard], [expected]).rate;
  const truth = said.join(" ");
  return {
    minutes: MINUTES,
    words: truth.split(" ").length,
    differences: rate(whole.text, short),
    wer: rate(whole.text, truth),
    werInPieces: rate(short, truth),
    seconds,
    memoryMb: (most - before) / 2 ** 20,
  };
}

/** A turn of the event loop for each, as from a microphone. */
async function* withPauses(pieces: readonly Float32Array[]): AsyncGenerator<Float32Array> {
  for (const piece of pieces) {
    await new Promise(setImmediate);
    yield piece;
    yield new Float32Array(PAUSE_SECONDS * SAMPLE_RATE);
  }
}
