/** The names of checkpoint files, from templates such as `{epoch}-{val_loss:.2f}`. */
import { ConfigurationError } from "../../../errors.js";
import type { MetricRecord } from "../../types.js";

const FIELD = /\{([^{}:]+)(?::([^{}]*))?\}/g;
/** Python's, as far as names need it: zeros or blanks up to a width, decimals, and how to write it. */
const FORMAT = /^(0?)(\d*)(?:\.(\d+))?([def]?)$/;

/** @throws ConfigurationError `ERR_CHECKPOINT_NAME` for a number format that is not known */
export function checkTemplate(template: string): void {
  for (const [field, , format = ""] of template.matchAll(FIELD)) {
    if (FORMAT.test(format)) continue;
    throw new ConfigurationError(
      "ERR_CHECKPOINT_NAME",
      `The checkpoint name ${JSON.stringify(template)} has the field ${field}, whose format is not known. ` +
        "Formats are as in {step:06d}, {val_loss:.3f} and {val_loss:.2e}.",
    );
  }
}

/**
 * Fills in the fields of a template. A metric that was not logged counts as 0. Slashes in a metric's name would be
 * folders and become underscores.
 *
 * @param insertNames whether a field becomes `name=value`, or only the value
 */
export function formatTemplate(template: string, values: MetricRecord, insertNames: boolean): string {
  return template.replace(FIELD, (_, name: string, format = "") => {
    const text = formatNumber(values[name] ?? 0, format as string);
    return insertNames ? `${name.replaceAll("/", "_")}=${text}` : text;
  });
}

function formatNumber(value: number, format: string): string {
  const [, zero, width, decimals, type] = FORMAT.exec(format) as unknown as [
    string,
    string,
    string,
    string?,
    string?,
  ];
  const text = plainText(value, decimals === undefined ? undefined : Number(decimals), type);
  const sign = zero === "0" && text.startsWith("-") ? "-" : "";
  return sign + text.slice(sign.length).padStart(Number(width) - sign.length, zero === "0" ? "0" : " ");
}

function plainText(value: number, decimals: number | undefined, type: string | undefined): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (type === "d") return String(Math.round(value));
  if (type === "e") {
    return value.toExponential(decimals ?? 6).replace(/e([+-])(\d)$/, "e$10$2");
  }
  if (type === "f") return value.toFixed(decimals ?? 6);
  return decimals === undefined ? String(value) : value.toFixed(decimals);
}
