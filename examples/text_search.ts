/**
 * Searches texts by meaning.
 *
 *   npx tsx --conditions=kindling-source examples/text_search.ts CLASSIFIER_FILE|ENCODER_FOLDER QUERY TEXT TEXT …
 *
 * The vectors come from a classifier that was saved, or from a text encoder in the Hugging Face layout.
 */
import { statSync } from "node:fs";
import { TextClassifier, TextEmbedder } from "kindling";

const [source, query, ...texts] = process.argv.slice(2);
if (source === undefined || query === undefined || texts.length === 0)
  throw new Error("usage: text_search.ts CLASSIFIER_FILE|ENCODER_FOLDER QUERY TEXT …");

const embedder = statSync(source).isDirectory()
  ? new TextEmbedder({ backbone: source })
  : (await TextClassifier.load(source)).asEmbedder();
for (const { score, text } of await embedder.search(query, texts)) console.log(score.toFixed(3), text);
