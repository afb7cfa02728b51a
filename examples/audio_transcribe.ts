/**
 * Writes down what is said, with a saved recogniser.
 *
 *   npx tsx --conditions=kindling-source examples/audio_transcribe.ts RECOGNIZER_FILE SOUND...
 *
 * A SOUND is a file, a URL, a folder, or a pattern.
 */
import { SpeechRecognizer } from "kindling";

const [file, ...sounds] = process.argv.slice(2);
if (file === undefined || sounds.length === 0)
  throw new Error("usage: audio_transcribe.ts RECOGNIZER_FILE SOUND...");

const task = await SpeechRecognizer.load(file);
for (const { text, words } of await task.predict(sounds)) {
  console.log(text);
  for (const { word, start, end, score } of words) {
    console.log(`  ${start.toFixed(2)}-${end.toFixed(2)} s  ${word} (${(score * 100).toFixed(0)} %)`);
  }
}
