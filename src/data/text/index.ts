/** Texts: tables, and the order in which they are batched. */
export { approximateLength, StoredText, StoredTexts, textOf, type TextSource } from "./stored_text.js";
export {
  asText,
  openTable,
  rowError,
  type Table,
  type TableFormat,
  type TableOptions,
  type TableRow,
} from "./table.js";
export {
  Tokenizer,
  type EncodeOptions,
  type TokenizedText,
  type TokenizedWords,
  type TrainTokenizerOptions,
} from "./tokenizer.js";
