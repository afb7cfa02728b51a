/** Reads what a run has left in its folder. */
import { parse } from "csv-parse/sync";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../errors.js";

/** A metric at one step. */
export interface MetricPoint {
  step: number;
  epoch: number | undefined;
  value: number;
}

/** What a run has left. */
export interface RunFolder {
  path: string;
  /** The metrics that were logged, in the order in which they came. */
  curves: ReadonlyMap<string, readonly MetricPoint[]>;
  /** `config.yaml` as it is, of a run that the command line began. */
  config: string | undefined;
  /** `environment.json` likewise: what the run was computed with. */
  environment: Readonly<Record<string, unknown>> | undefined;
}

/** @throws DataError `ERR_RUN_FOLDER` for a folder without metrics, or with files that cannot be read */
export async function readRunFolder(path: string): Promise<RunFolder> {
  const metrics = join(path, "metrics.csv");
  if (!existsSync(metrics)) {
    throw new DataError(
      "ERR_RUN_FOLDER",
      `${path} is no folder of a run: it has no metrics.csv. Give the folder that a run names as its log, such as ` +
        "kindling_logs/version_0; it has one unless the Trainer's logger was switched off.",
      { path },
    );
  }
  const [config, environment] = await Promise.all(
    ["config.yaml", "environment.json"].map(async (name) => {
      const file = join(path, name);
      return existsSync(file) ? readFile(file, "utf8") : undefined;
    }),
  );
  try {
    return {
      path,
      curves: readCurves(await readFile(metrics, "utf8")),
      config,
      environment:
        environment === undefined ? undefined : (JSON.parse(environment) as Record<string, unknown>),
    };
  } catch (error) {
    throw new DataError("ERR_RUN_FOLDER", `${path} cannot be read: ${(error as Error).message}`, {
      path,
      cause: error,
    });
  }
}

function readCurves(text: string): Map<string, MetricPoint[]> {
  const rows = parse<Record<string, string>>(text, { columns: true, skip_empty_lines: true });
  const curves = new Map<string, MetricPoint[]>();
  for (const [i, { step, epoch, ...metrics }] of rows.entries()) {
    for (const [name, cell] of Object.entries(metrics)) {
      const value = Number(cell);
      if (cell === "" || !Number.isFinite(value)) continue;
      const point = {
        step: step === undefined || step === "" ? i : Number(step),
        epoch: epoch === undefined || epoch === "" ? undefined : Number(epoch),
        value,
      };
      const curve = curves.get(name);
      if (curve === undefined) curves.set(name, [point]);
      else curve.push(point);
    }
  }
  return curves;
}
