/** docs/onnx-operators.md is made of the operators' definitions. `npx vitest run tests/docs/onnx_operators -u` writes it. */
import { readFile } from "node:fs/promises";
import { format } from "prettier";
import { expect, it } from "vitest";
import { leftOut } from "../../src/onnx/operators/left_out.js";
import { definitions } from "../../src/onnx/operators/registry.js";

const INTRODUCTION = `# ONNX operators

What an imported model may be made of. "From" is the first version of the operator set in which an operator is known here; all
later ones up to version 23 are. Where it says that there is a gradient, one flows from the results to every input of floats,
so that what comes before can be trained; where not, the results are constants to the gradient. Numbers of 64 bits have 32 on
the device, and all floats are float32; what is computed from shapes and constants alone is known while tracing, with its
own type.

This page is made of the definitions in \`src/onnx/operators\`; a test keeps it up to date.
`;

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |\n`;
}

function splitKey(key: string): [domain: string, operator: string] {
  const [operator, domain = "ai.onnx"] = key.split(":").reverse() as [string, string | undefined];
  return [domain, operator];
}

function document(): string {
  const keys = [...definitions.keys()].sort((a, b) => splitKey(a).join().localeCompare(splitKey(b).join()));
  let text = `${INTRODUCTION}\n## ${keys.length} operators\n\n`;
  text += row(["operator", "domain", "from", "gradient", "notes"]) + row(["---", "---", "---", "---", "---"]);
  for (const key of keys) {
    const { since, gradient, notes = "" } = definitions.get(key)!;
    const [domain, operator] = splitKey(key);
    text += row([operator, domain, String(since), gradient ? "yes" : "no", notes]);
  }
  text += "\n## Left out\n\n" + row(["operator", "domain", "why"]) + row(["---", "---", "---"]);
  for (const [key, reason] of Object.entries(leftOut)) {
    const [domain, operator] = splitKey(key);
    text += row([operator, domain, reason]);
  }
  return text;
}

it("has a row for every operator", async () => {
  const options = JSON.parse(await readFile(".prettierrc.json", "utf8")) as object;
  await expect(await format(document(), { ...options, parser: "markdown" })).toMatchFileSnapshot(
    "../../docs/onnx-operators.md",
  );
});

it("leaves out nothing that is there", () => {
  for (const key of Object.keys(leftOut)) expect(definitions.has(key)).toBe(false);
});
