/** What is known of an option that a class takes, for programs that offer it. The tables are made of the classes' own types. */

/** The kinds of values that can be given from outside. */
export type ValueKind = "boolean" | "number" | "string" | "numbers" | "strings";

/** One option of a class. */
export interface OptionEntry {
  /** As the class has it; `train.images` for a field of an object. */
  name: string;
  kinds: readonly ValueKind[];
  /** The strings that the type lists. Others are allowed where `kinds` has `string`. */
  choices?: readonly string[];
  /** What the type's comment says. */
  description: string;
}

/** The options of one class, or of one way to make it. */
export type OptionTable = readonly OptionEntry[];

/** As TypeScript's `Pick`. */
export function only(table: OptionTable, ...names: readonly string[]): OptionTable {
  return table.filter(({ name }) => names.includes(name));
}

/** As TypeScript's `Omit`. */
export function without(table: OptionTable, ...names: readonly string[]): OptionTable {
  return table.filter(({ name }) => !names.includes(name));
}

/** The fields of an object that an option takes, as options. */
export function fieldsOf(option: string, fields: OptionTable): OptionTable {
  return fields.map((field) => ({ ...field, name: `${option}.${field.name}` }));
}
