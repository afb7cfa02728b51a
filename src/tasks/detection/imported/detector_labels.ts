/** The names of a detector's classes, from what lies beside its file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../../../errors.js";

/** Lists of names, one a line, by their usual endings and names. */
const LISTS = /(\.names|^labels\.txt|^classes\.txt)$/;

/**
 * By `id2label` of a `config.json`, or the lines of the one file `*.names`, `labels.txt` or `classes.txt`.
 *
 * @returns undefined where nothing says them
 * @throws ConfigurationError `ERR_DETECTOR_LABELS` for several lists, `ERR_BACKBONE_FOLDER` for a file that is no JSON
 */
export function readDetectorLabels(folder: string): readonly string[] | undefined {
  const files = readdirSync(folder);
  if (files.includes("config.json")) {
    const labels = labelsOfConfig(join(folder, "config.json"));
    if (labels !== undefined) return labels;
  }
  const lists = files.filter((file) => LISTS.test(file));
  if (lists.length > 1) {
    throw new ConfigurationError(
      "ERR_DETECTOR_LABELS",
      `${folder} has several lists of names: ${lists.join(", ")}. Keep the one that belongs to the detector.`,
    );
  }
  if (lists.length === 0) return undefined;
  const lines = readFileSync(join(folder, lists[0]!), "utf8").trim().split(/\r?\n/);
  return lines.map((line) => line.trim());
}

function labelsOfConfig(path: string): string[] | undefined {
  let config: { id2label?: Readonly<Record<string, string>> };
  try {
    config = JSON.parse(readFileSync(path, "utf8")) as typeof config;
  } catch (cause) {
    throw new ConfigurationError("ERR_BACKBONE_FOLDER", `${path} is not valid JSON.`, { cause });
  }
  const { id2label } = config;
  if (id2label === undefined) return undefined;
  const ids = Object.keys(id2label).map(Number);
  const count = Math.max(...ids) + 1;
  return Array.from({ length: count }, (_, id) => id2label[id] ?? `LABEL_${id}`);
}
