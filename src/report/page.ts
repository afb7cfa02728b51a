/** The page of a report: one file that needs no other, and runs no script. */
import { html, raw } from "hono/html";
import type { Html } from "./samples.js";

/** What stands under a heading. */
export interface PageSection {
  id: string;
  title: string;
  body: Html;
}

/** Nothing is fetched and nothing runs, whatever the texts of a data set say. */
const POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'";

const STYLE = `
:root { color-scheme: light; --ink: #1f2933; --line: #e4e7eb; --soft: #f5f7fa; --wrong: #b42318; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 24px; color: var(--ink); background: #fff; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 28px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { margin: 48px 0 12px; padding-top: 12px; border-top: 1px solid var(--line); font-size: 22px; }
h3 { margin: 28px 0 8px; font-size: 17px; }
nav a { margin-right: 16px; color: #0b5cad; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; overflow-wrap: normal; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll { overflow-x: auto; max-height: 560px; overflow-y: auto; }
figure { margin: 8px 0; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; }
figcaption, .file { display: block; color: #616e7c; font-size: 12px; overflow-wrap: anywhere; }
pre { padding: 12px; background: var(--soft); overflow-x: auto; font-size: 13px; }
.cards { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); }
.cards.wide { grid-template-columns: 1fr; }
.card { padding: 12px; border: 1px solid var(--line); border-radius: 6px; font-size: 14px; overflow-x: auto; }
.card p { margin: 8px 0 0; overflow-wrap: anywhere; }
.card q { overflow-wrap: anywhere; }
.card img, .sheet { max-width: 100%; }
.card audio { width: 100%; }
.alignment td { padding: 2px 8px; border: 0; }
.wrong, .substitution, .insertion, .deletion { color: var(--wrong); font-weight: 600; }
@media print { .scroll { max-height: none; } .card, figure { break-inside: avoid; } }
`;

export async function renderPage(title: string, sections: readonly PageSection[]): Promise<string> {
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        <nav>${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
        ${sections.map(
          ({ id, title, body }) =>
            html`<section id="${id}">
              <h2>${title}</h2>
              ${body}
            </section>`,
        )}
      </body>
    </html> `;
  return String(page);
}
