/** Counts the samples of each class in each part, and puts them in a table. */
import type { LabeledParts, SampleNoun } from "./labeled_samples.js";

/** Samples by part and class. */
export type PartCounts = Partial<Record<keyof LabeledParts, Record<string, number>>>;

export interface PartsDescription {
  counts: PartCounts;
  parts: LabeledParts;
  noun: SampleNoun;
  predict: number | undefined;
  labels: readonly string[];
  multiLabel: boolean;
  batchSize: number;
  warnings: readonly string[];
}

const LISTED_CLASSES = 30;
const COLUMN_WIDTH = 8;

export function countClasses(parts: LabeledParts, labels: readonly string[]): PartCounts {
  return Object.fromEntries(
    Object.entries(parts).map(([part, { classes }]) => {
      const counts = new Map(labels.map((label) => [label, 0]));
      for (const sample of classes) for (const name of sample) counts.set(name, counts.get(name)! + 1);
      return [part, Object.fromEntries(counts)];
    }),
  );
}

export function describeParts(description: PartsDescription): string {
  const { counts, predict, noun, labels, multiLabel, batchSize, warnings } = description;
  const parts = (["train", "val", "test"] as const).filter((part) => description.parts[part] !== undefined);
  const listed = labels.slice(0, LISTED_CLASSES);
  const width = Math.max(7, ...listed.map(({ length }) => length)) + 2;
  const row = (name: string, cells: readonly (string | number)[]) =>
    `  ${name.padEnd(width)}${cells.map((cell) => String(cell).padStart(COLUMN_WIDTH)).join("")}`;
  const lines = [
    `${labels.length} classes${multiLabel ? `, several a ${noun.one}` : ""}, batches of ${batchSize}`,
    row("class", parts),
    ...listed.map((label) =>
      row(
        label,
        parts.map((part) => counts[part]![label]!),
      ),
    ),
  ];
  if (labels.length > listed.length) lines.push(`  and ${labels.length - listed.length} more classes`);
  lines.push(
    row(
      noun.many,
      parts.map((part) => description.parts[part]!.sources.length),
    ),
  );
  if (predict !== undefined) lines.push(`  ${predict} ${noun.many} to predict`);
  return [...lines, ...warnings.map((warning) => `  Warning: ${warning}`)].join("\n");
}
