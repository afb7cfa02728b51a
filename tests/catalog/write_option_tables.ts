/** Writes tables of options as a source file in which each interface stands once, and the tables refer to it. */
import ts from "typescript";
import type { DeclaredOption } from "./read_option_tables.js";

/** The options of one type, or of an object in it, by the interfaces that have declared them. */
type Parts = Map<ts.Node, DeclaredOption[]>;

export function writeOptionTables(tables: Readonly<Record<string, readonly DeclaredOption[]>>): string {
  const writer = new Writer(Object.values(tables));
  const written = Object.entries(tables).map(([name, options]) => {
    const table = writer.list(options);
    return name === table ? `${name},` : `${name}: ${table},`;
  });
  return `/** The options of the classes by the names of their types. Made by tests/catalog/option_tables.test.ts: do not edit. */
import { fieldsOf, only, without, type OptionTable } from "./option_table.js";

${[...writer.shared.values()].join("\n\n")}

export const optionTables = {
${written.join("\n")}
} satisfies Record<string, OptionTable>;
`;
}

class Writer {
  /** Interfaces that several lists refer to, as they are written. */
  readonly shared = new Map<ts.Node, string>();
  /** What each interface brings wherever it is used. */
  readonly #interfaces = new Map<ts.Node, Map<string, DeclaredOption>>();
  /** How many lists have options of each. */
  readonly #uses = new Map<ts.Node, number>();
  /** Options that differ from use to use, as those of a generic interface may. */
  readonly #varying = new Set<string>();

  constructor(lists: readonly (readonly DeclaredOption[])[]) {
    for (const list of lists) this.#collect(list);
  }

  #collect(list: readonly DeclaredOption[]): void {
    for (const [node, options] of partsOf(list)) {
      this.#uses.set(node, (this.#uses.get(node) ?? 0) + 1);
      const known = this.#interfaces.get(node) ?? new Map<string, DeclaredOption>();
      this.#interfaces.set(node, known);
      for (const option of options) {
        const before = known.get(option.name);
        if (before === undefined) known.set(option.name, option);
        else if (textOf(before) !== textOf(option)) this.#varying.add(keyOf(option));
        this.#collect(option.fields);
      }
    }
  }

  /** First what the list has alone, then the interfaces that it shares. */
  list(options: readonly DeclaredOption[]): string {
    const own: string[] = [];
    const references: string[] = [];
    for (const [node, part] of partsOf(options)) {
      const isShared = ts.isInterfaceDeclaration(node) && this.#uses.get(node)! > 1;
      const common = part.filter((option) => isShared && !this.#varying.has(keyOf(option)));
      own.push(...part.filter((option) => !common.includes(option)).map((option) => this.#option(option)));
      if (common.length > 0) references.push(this.#reference(node, common));
    }
    if (own.length === 0 && references.length === 1) return references[0]!;
    return `[${[...own, ...references.map((reference) => `...${reference}`)].join(", ")}]`;
  }

  #reference(node: ts.Node, used: readonly DeclaredOption[]): string {
    const { text } = (node as ts.InterfaceDeclaration).name;
    const all = [...this.#interfaces.get(node)!.values()].filter(
      (option) => !this.#varying.has(keyOf(option)),
    );
    if (!this.shared.has(node)) {
      const body = `[${all.map((option) => this.#option(option)).join(", ")}]`;
      this.shared.set(node, `const ${text}: OptionTable = ${body};`);
    }
    const missing = all.filter(({ name }) => !used.some((option) => option.name === name));
    if (missing.length === 0) return text;
    const [helper, named] = missing.length < used.length ? ["without", missing] : ["only", used];
    return `${helper}(${text}, ${named.map(({ name }) => JSON.stringify(name)).join(", ")})`;
  }

  #option({ name, entry, fields }: DeclaredOption): string {
    return entry === undefined
      ? `...fieldsOf(${JSON.stringify(name)}, ${this.list(fields)})`
      : JSON.stringify(entry);
  }
}

function partsOf(list: readonly DeclaredOption[]): Parts {
  const parts: Parts = new Map();
  for (const option of list) parts.set(option.declaredBy, [...(parts.get(option.declaredBy) ?? []), option]);
  return parts;
}

function keyOf({ declaredBy, name }: DeclaredOption): string {
  return `${declaredBy.getSourceFile().fileName}:${declaredBy.pos}:${name}`;
}

/** All that a list says of an option. */
function textOf({ entry, fields }: DeclaredOption): string {
  return JSON.stringify([entry, fields.map(textOf)]);
}
