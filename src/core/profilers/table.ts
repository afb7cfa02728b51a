/** Reports as tables of text. */

export type Row = readonly string[];

/** A ruled table; the first column is flush left, the others flush right. Its last line ends in a line break. */
export function formatTable(title: string, header: Row, rows: readonly Row[]): string {
  const widths = header.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: Row) => {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
    return `| ${cells.join(" | ")} |`;
  };
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 3, 1));
  return [title, rule, line(header), rule, ...rows.map(line), rule, ""].join("\n");
}

/** Five significant digits, as Lightning's tables have. */
export function formatNumber(value: number): string {
  return String(Number(value.toPrecision(5)));
}
