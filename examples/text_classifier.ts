/**
 * From a CSV file to a text classifier.
 *
 *   npx tsx --conditions=kindling-source examples/text_classifier.ts TABLE.csv CLASSIFIER_FILE [TEXT_COLUMN LABEL_COLUMN]
 *
 * TABLE.csv has a header. A fifth of its rows is held back, and the texts that fit their labels least are shown.
 */
import { TextClassificationData, TextClassifier, Trainer } from "kindling";

const [table, file, textColumn = "text", labelColumn = "label"] = process.argv.slice(2);
if (table === undefined || file === undefined)
  throw new Error("usage: text_classifier.ts TABLE.csv CLASSIFIER_FILE [TEXT_COLUMN LABEL_COLUMN]");

const data = await TextClassificationData.fromCsv({ train: table, valSplit: 0.2, textColumn, labelColumn });
const task = new TextClassifier({ data });
await new Trainer({ logger: false, enableCheckpointing: false }).fit(task, data);
await task.save(file);

const { accuracy, macroF1, hardest } = await task.report(data, { part: "val" });
console.log(`accuracy ${accuracy.toFixed(3)}, macro F1 ${macroF1.toFixed(3)}`);
for (const { sample, target, prediction } of hardest.slice(0, 3)) {
  console.log(`${JSON.stringify(sample)} is labelled ${target}, but looks like ${prediction}`);
}
