/** Shows samples on a page: pictures, texts and sounds, all within the page's own text. */
import { html } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { decodeImage, type AudioSource, type ImageSource } from "../data/index.js";
import { sharp } from "../data/image/sharp.js";

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** What samples of a task are. */
export type SampleKind = "texts" | "pictures" | "sounds";

const THUMBNAIL = 160;
const LONGEST_TEXT = 600;
/** A page with larger sounds would be slow to open. */
const LARGEST_SOUND = 256 * 1024;
const TYPES: Record<string, string> = { wav: "wav", mp3: "mpeg", flac: "flac", ogg: "ogg", opus: "ogg" };

export async function showSample(kind: SampleKind, sample: unknown): Promise<Html> {
  if (kind === "texts") return showText(String(sample));
  return kind === "pictures" ? showPicture(sample as ImageSource) : showSound(sample as AudioSource);
}

function showText(text: string): Html {
  const characters = Array.from(text);
  const shown = characters.length > LONGEST_TEXT ? `${characters.slice(0, LONGEST_TEXT).join("")}…` : text;
  return html`<q>${shown}</q>`;
}

async function showPicture(source: ImageSource): Promise<Html> {
  const { data, width, height, channels } = await decodeImage(source);
  const jpeg = await sharp(data, { raw: { width, height, channels } })
    .resize(THUMBNAIL, THUMBNAIL, { fit: "inside", withoutEnlargement: true })
    .flatten({ background: "white" })
    .jpeg({ quality: 80 })
    .toBuffer();
  return html`<img src="${dataUrl("image/jpeg", jpeg)}" alt="" /><span class="file">${nameOf(source)}</span>`;
}

async function showSound(source: AudioSource): Promise<Html> {
  const name = html`<span class="file">${nameOf(source)}</span>`;
  if (typeof source !== "string") return name;
  const type = TYPES[source.split(".").at(-1)!.toLowerCase()];
  const size = await stat(source).then(
    (file) => file.size,
    () => Infinity,
  );
  if (type === undefined || size > LARGEST_SOUND) return name;
  const url = dataUrl(`audio/${type}`, await readFile(source));
  return html`<audio controls preload="none" src="${url}"></audio>${name}`;
}

/** With its folder, which often is its class. */
function nameOf(source: unknown): string {
  return typeof source === "string" ? join(basename(dirname(source)), basename(source)) : "";
}

export function dataUrl(type: string, bytes: Buffer): string {
  return `data:${type};base64,${bytes.toString("base64")}`;
}
