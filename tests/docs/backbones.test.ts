/**
 * The tables of docs/backbones.md are those of the registry. `npx vitest run tests/docs/backbones.test.ts -u` writes them.
 * What they say is compared with the architectures that there are.
 */
import { readFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { describe, expect, it } from "vitest";
import {
  createArchitecture,
  hasArchitecture,
  type AudioBackboneEntry,
  type BackboneDomain,
  type BackboneEntries,
  type BackboneEntry,
  type DetectionBackboneEntry,
  type ImageBackboneEntry,
  type TextBackboneEntry,
} from "../../src/backbones/index.js";
import { looksLikeRepository } from "../../src/backbones/hub/index.js";
import { backboneTables } from "../../src/backbones/registry/index.js";
import "../support/backend.js";

const PAGE = new URL("../../docs/backbones.md", import.meta.url).pathname;
const HUB = "https://huggingface.co";

/** In millions of parameters. */
const LARGEST_MADE = 25;

const TRIED: Record<BackboneEntry["tried"], string> = {
  weights: "yes",
  architecture: "its architecture, not these weights",
  no: "no",
};

const numbers = (values: readonly number[]): string =>
  values.map((value) => Number(value.toFixed(3))).join(", ");

function imageInput({ resize, centerCrop, mean, std, channelOrder }: ImageBackboneEntry["input"]): string {
  const size = centerCrop ?? (resize !== undefined && "height" in resize ? resize : undefined);
  const order = channelOrder === "bgr" ? ", BGR" : "";
  return `${size!.height} x ${size!.width}; mean ${numbers(mean)}; std ${numbers(std)}${order}`;
}

function detectionInput({ resize, mean, std }: DetectionBackboneEntry["input"]): string {
  const size =
    "height" in resize
      ? `${resize.height} x ${resize.width}`
      : `edges of ${resize.shortestEdge} to ${resize.longestEdge}`;
  return `${size}; mean ${numbers(mean)}; std ${numbers(std)}`;
}

const inputs: { [Domain in BackboneDomain]: (entry: BackboneEntries[Domain]) => string } = {
  image: ({ input }) => imageInput(input),
  text: ({ tokenizer, maxLength, pooling }: TextBackboneEntry) =>
    `${tokenizer}, ${maxLength} tokens, ${pooling} pooling`,
  audio: ({ sampleRate, input }: AudioBackboneEntry) => `${input} at ${sampleRate / 1000} kHz`,
  detection: ({ input }) => detectionInput(input),
};

function table<Domain extends BackboneDomain>(domain: Domain): string {
  const rows = Object.entries(
    backboneTables[domain] as unknown as Record<string, BackboneEntries[Domain]>,
  ).map(([name, entry]) => {
    const { source, weights, numFeatures, parameters, licence, tried } = entry;
    const link =
      source === undefined
        ? "none: it starts from random weights"
        : `[${source}](${HUB}/${source}) (${weights})`;
    const cells = [
      `\`${name}\``,
      link,
      inputs[domain](entry),
      numFeatures,
      `${parameters} M`,
      licence,
      TRIED[tried],
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| name | weights | input | features | parameters | licence | tried |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

describe("docs/backbones.md", () => {
  it("has the tables of the registry", async () => {
    const page = readFileSync(PAGE, "utf8").replace(
      /(<!-- table: (\w+) -->\n)[^]*?(<!-- end of table -->)/g,
      (_, begin: string, domain: BackboneDomain, end: string) => `${begin}\n${table(domain)}\n\n${end}`,
    );
    const options = { ...(await resolveConfig(PAGE)), parser: "markdown" };
    await expect(await format(page, options)).toMatchFileSnapshot(PAGE);
  });
});

describe("the registry", () => {
  const all = Object.values(backboneTables).flatMap((entries) => Object.entries<BackboneEntry>(entries));

  it("has enough of each domain, and no name twice", () => {
    const counts = Object.fromEntries(
      Object.entries(backboneTables).map(([domain, entries]) => [domain, Object.keys(entries).length]),
    );
    expect(counts.image).toBeGreaterThanOrEqual(30);
    expect(counts.text).toBeGreaterThanOrEqual(15);
    expect(counts.audio).toBeGreaterThanOrEqual(10);
    expect(counts.detection).toBeGreaterThanOrEqual(6);
    expect(new Set(all.map(([name]) => name)).size).toBe(all.length);
  });

  it("names sources in full, and files only of ONNX weights", () => {
    for (const [name, { source, weights, file, licence }] of all) {
      expect(source === undefined || looksLikeRepository(source), name).toBe(true);
      expect(source === undefined, name).toBe(weights === undefined);
      expect(file === undefined || weights === "onnx", name).toBe(true);
      expect(licence, name).toMatch(/^[\w.-]+$/);
    }
  });

  it("says of each architecture what is true of it", () => {
    const wrong = Object.entries<ImageBackboneEntry>(backboneTables.image).flatMap(([name, entry]) => {
      if (!hasArchitecture(name)) return entry.weights === "onnx" ? [] : [`${name} has no architecture`];
      // The larger ones are of the same classes.
      if (entry.parameters > LARGEST_MADE) return [];
      const { module, numFeatures } = createArchitecture(name);
      const millions = module.parameters().reduce((sum, { size }) => sum + size, 0) / 1e6;
      const isRight = numFeatures === entry.numFeatures && Math.abs(millions - entry.parameters) <= 0.06;
      return isRight ? [] : [`${name}: ${numFeatures} features, ${millions.toFixed(2)} M parameters`];
    });
    expect(wrong).toEqual([]);
  });
});
