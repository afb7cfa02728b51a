/** The page at `/`: a fixed list of files, so that no address is ever made into a path. */
import { readFile } from "node:fs/promises";
import type { Hono } from "hono";

const FILES: Readonly<Record<string, { file: string; type: string }>> = {
  "/": { file: "index.html", type: "text/html" },
  "/style.css": { file: "style.css", type: "text/css" },
  ...Object.fromEntries(
    ["page.js", "answers.js", "recorder.js", "recorder_worklet.js"].map((file) => [
      `/${file}`,
      { file, type: "text/javascript" },
    ]),
  ),
};

/** Nothing from elsewhere is loaded, nothing inline runs, and no other page may frame this one. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};

/** The addresses of the page, which hold nothing that a token should guard. */
export const PAGE_PATHS: readonly string[] = Object.keys(FILES);

export function addPage(app: Hono): void {
  for (const [path, { file, type }] of Object.entries(FILES)) {
    const whole = new URL(`./page/${file}`, import.meta.url);
    app.get(path, async (context) =>
      context.body(await readFile(whole, "utf8"), 200, {
        ...HEADERS,
        "Content-Type": `${type}; charset=utf-8`,
      }),
    );
  }
}
