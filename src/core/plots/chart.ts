/** Draws a chart with Observable Plot: as SVG for a page, and as a PNG that looks the same on every machine. */
import type { PlotOptions } from "@observablehq/plot";
import { writeFileAtomically } from "../../atomic_write.js";
import { sharp } from "../../data/image/sharp.js";
import { measureText, textPath } from "../../data/image/text.js";

/** A chart by its name, which is its file's too. */
export interface Chart {
  name: string;
  /** An `<svg>` element, with everything in it escaped. */
  svg: string;
  png: Buffer;
}

export type Plotting = typeof import("@observablehq/plot");

const FONT_SIZE = 12;
/** Pixels of a PNG for each of the page. */
const DENSITY = 2;
const STYLE = { fontSize: `${FONT_SIZE}px`, background: "white", color: "#1f2933" };

/** @param options of Plot, made with its marks */
export async function drawChart(name: string, options: (plot: Plotting) => PlotOptions): Promise<Chart> {
  const [plot, { parseHTML }] = await Promise.all([import("@observablehq/plot"), import("linkedom")]);
  const { document } = parseHTML("<html><body></body></html>");
  const svg = plot.plot({ ...options(plot), style: STYLE, document }) as SVGSVGElement;
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", name.replaceAll("-", " "));
  svg.setAttribute("font-size", String(FONT_SIZE));
  const text = svg.outerHTML;
  return { name, svg: text, png: await render(svg) };
}

/** As `drawChart`, left as a PNG file. */
export async function saveChart(path: string, options: (plot: Plotting) => PlotOptions): Promise<void> {
  const { png } = await drawChart("chart", options);
  await writeFileAtomically(path, png);
}

async function render(svg: SVGSVGElement): Promise<Buffer> {
  for (const text of svg.querySelectorAll("text")) outline(text);
  svg.querySelector("style")?.remove();
  svg.setAttribute("color", STYLE.color);
  const image = sharp(Buffer.from(svg.outerHTML), { density: 72 * DENSITY, limitInputPixels: false });
  return image.flatten({ background: STYLE.background }).png().toBuffer();
}

/** Puts a path in the place of a text: fonts differ from machine to machine, and may be missing. */
function outline(text: SVGTextElement): void {
  const size = Number.parseFloat(inherited(text, "font-size") ?? "") || FONT_SIZE;
  const pixels = (attribute: string): number => {
    const value = text.getAttribute(attribute) ?? "0";
    return Number.parseFloat(value) * (value.endsWith("em") ? size : 1);
  };
  const label = text.textContent ?? "";
  const shares: Record<string, number> = { start: 0, middle: 0.5, end: 1 };
  const before = measureText(label, size) * (shares[inherited(text, "text-anchor") ?? "start"] ?? 0);
  // opentype.js writes NaN for coordinates such as 1e-16, which sums give and outlines at the origin do not.
  const place = `translate(${pixels("x") - before} ${pixels("y") + pixels("dy")})`;
  const path = text.ownerDocument.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", textPath(label, { x: 0, y: 0, size }));
  path.setAttribute("transform", `${text.getAttribute("transform") ?? ""} ${place}`.trim());
  const fill = text.getAttribute("fill");
  if (fill !== null) path.setAttribute("fill", fill);
  text.replaceWith(path);
}

function inherited(element: Element, attribute: string): string | undefined {
  return element.closest(`[${attribute}]`)?.getAttribute(attribute) ?? undefined;
}
