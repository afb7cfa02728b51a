/** Reads the options that programs offer from the types that the classes take, with TypeScript's own compiler. */
import ts from "typescript";
import type { OptionEntry, ValueKind } from "../../src/catalog/option_table.js";

const INDEX = new URL("../../src/index.ts", import.meta.url).pathname;
const CONFIG = new URL("../../tsconfig.json", import.meta.url).pathname;

/** A property of a type. */
export interface DeclaredOption {
  name: string;
  /** What the property itself can be given, unless it has fields. */
  entry: OptionEntry | undefined;
  /** The fields of a plain object, of which each can be given. */
  fields: readonly DeclaredOption[];
  /** The interface whose text has the property, which may be one that the type extends. */
  declaredBy: ts.Node;
}

/** @returns the options of each of these exported types */
export function readOptionTables(names: readonly string[]): Record<string, DeclaredOption[]> {
  const { config } = ts.readConfigFile(CONFIG, (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files: [INDEX] },
    ts.sys,
    new URL("../..", import.meta.url).pathname,
  );
  const program = ts.createProgram([INDEX], options);
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(INDEX)!)!;
  const types = new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]));
  return Object.fromEntries(
    names.map((name) => {
      const symbol = types.get(name);
      if (symbol === undefined) throw new Error(`src/index.ts exports no type ${name}.`);
      return [name, readOptions(checker, checker.getDeclaredTypeOfSymbol(resolve(checker, symbol)))];
    }),
  );
}

function resolve(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function readOptions(checker: ts.TypeChecker, type: ts.Type, isField = false): DeclaredOption[] {
  return type.getProperties().flatMap((property): DeclaredOption[] => {
    const { name } = property;
    const declaredBy = property.declarations![0]!.parent;
    const members = membersOf(checker.getNonNullableType(checker.getTypeOfSymbol(property)));
    const description = ts.displayPartsToString(property.getDocumentationComment(checker));
    const { kinds, choices } = readMembers(checker, members);
    if (kinds.length > 0 || choices.length > 0) {
      const entry = {
        name,
        kinds,
        ...(choices.length > 0 && { choices }),
        description: description.replaceAll("\n", " "),
      };
      return [{ name, entry, fields: [], declaredBy }];
    }
    const [only] = members;
    if (isField || members.length !== 1 || !isPlainObject(only!)) return [];
    return [{ name, entry: undefined, fields: readOptions(checker, only!, true), declaredBy }];
  });
}

function membersOf(type: ts.Type): readonly ts.Type[] {
  return type.isUnion() ? type.types : [type];
}

function readMembers(
  checker: ts.TypeChecker,
  members: readonly ts.Type[],
): { kinds: ValueKind[]; choices: string[] } {
  const kinds = new Set<ValueKind>();
  const choices: string[] = [];
  for (const member of members) {
    if (member.isStringLiteral()) choices.push(member.value);
    else if (member.flags & ts.TypeFlags.BooleanLike) kinds.add("boolean");
    else if (member.flags & ts.TypeFlags.NumberLike) kinds.add("number");
    else if (isString(member)) kinds.add("string");
    else {
      const elements = elementsOf(checker, member);
      if (elements.some(isString)) kinds.add("strings");
      else if (elements.some(({ flags }) => flags & ts.TypeFlags.NumberLike)) kinds.add("numbers");
    }
  }
  return { kinds: [...kinds], choices };
}

/** `string`, and `string & {}`, with which a type keeps its list of choices. */
function isString(type: ts.Type): boolean {
  if (type.isIntersection()) return type.types.some(isString);
  return (type.flags & ts.TypeFlags.String) !== 0 || (type.flags & ts.TypeFlags.TemplateLiteral) !== 0;
}

function elementsOf(checker: ts.TypeChecker, type: ts.Type): readonly ts.Type[] {
  if (!checker.isArrayType(type) && !checker.isTupleType(type)) return [];
  return checker.getTypeArguments(type as ts.TypeReference).flatMap(membersOf);
}

/** Fields that are set, and no instance of a class. */
function isPlainObject(type: ts.Type): boolean {
  if (!(type.flags & ts.TypeFlags.Object) || type.isClass() || type.getCallSignatures().length > 0)
    return false;
  const properties = type.getProperties();
  return properties.length > 0 && properties.every(({ flags }) => flags & ts.SymbolFlags.Property);
}
