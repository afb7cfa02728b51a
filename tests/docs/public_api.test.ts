/** Every name that the package exports says what it is, and every example in documents and comments compiles. */
import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
const config = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as {
  config: unknown;
};
const settings = ts.parseJsonConfigFileContent(config.config, ts.sys, root).options;
const options: ts.CompilerOptions = { ...settings, noUnusedLocals: false, noUnusedParameters: false };

/** A block of TypeScript, and where it stands. */
interface Example {
  place: string;
  code: string;
}

function examplesIn(path: string): Example[] {
  const text = readFileSync(`${root}${path}`, "utf8");
  return [...text.matchAll(/^(?: \* )?```ts\n(.*?)^(?: \* )?```/gms)].map((match) => ({
    place: `${path}:${text.slice(0, match.index).split("\n").length}`,
    code: path.endsWith(".ts") ? match[1]!.replace(/^ \* ?/gm, "") : match[1]!,
  }));
}

const examples = globSync(["README.md", "CONTRIBUTING.md", "docs/**/*.md", "src/**/*.ts"], { cwd: root })
  .sort()
  .flatMap(examplesIn);

/** What the examples take for granted. */
const GIVEN = ["model", "data", "trainer", "buffer", "error"];
const AUTOENCODER = `import { LightningModule, Linear } from "kindling";
  export class Autoencoder extends LightningModule {
    layer = new Linear(2, 2);
    constructor(readonly options: { lr: number }) { super(); }
    forward = this.layer.forward;
    trainingStep() { return null; }
  }`;

/** An example as a module: names of the package are imported where it does not do that itself. */
function asModule(code: string, exported: readonly ts.Symbol[]): string {
  const isMethod = /^\w+\(\)(: \w+)? \{/.test(code);
  const body = isMethod
    ? `class Example extends LightningModule {
        [name: string]: any; lr = 1; forward = (x: never) => x; trainingStep() { return null; }
        ${code}
      }`
    : code;
  const isSaid = (name: string) =>
    new RegExp(`\\b(?:const|let|class|function) (?:\\[.*)?\\b${name}\\b`).test(body);
  const imported = [...body.matchAll(/import (?:type )?\{([^}]*)\}/g)].flatMap((match) =>
    match[1]!.split(/[\s,]+/),
  );
  const missing = exported
    .filter(({ name }) => new RegExp(`\\b${name}\\b`).test(body) && !imported.includes(name) && !isSaid(name))
    .map(({ name, flags }) => (flags & ts.SymbolFlags.Value ? name : `type ${name}`));
  const given = GIVEN.filter((name) => !isSaid(name)).map((name) => `declare const ${name}: any;`);
  return `import { ${missing.join(", ")} } from "kindling";\n${given.join("\n")}\n${body}\nexport {};`;
}

/** A compiler that sees the package and some files that are on no disk. */
function compile(virtual: ReadonlyMap<string, string>): ts.Program {
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (path) => virtual.has(path) || disk.fileExists(path),
    readFile: (path) => virtual.get(path) ?? disk.readFile(path),
    getSourceFile: (path, version) => {
      const text = virtual.get(path);
      return text === undefined
        ? disk.getSourceFile(path, version)
        : ts.createSourceFile(path, text, version);
    },
  };
  return ts.createProgram([`${root}src/index.ts`, ...virtual.keys()], options, host);
}

function exportsOf(program: ts.Program): ts.Symbol[] {
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(`${root}src/index.ts`)!)!;
  return checker
    .getExportsOfModule(index)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
}

describe("the public names", () => {
  const program = compile(new Map());
  const exported = exportsOf(program);
  const isOurs = (symbol: ts.Symbol) =>
    symbol.declarations?.some((declaration) =>
      declaration.getSourceFile().fileName.startsWith(`${root}src/`),
    );

  it("have a doc comment each", () => {
    const silent = exported
      .filter((symbol) => isOurs(symbol) && !(symbol.flags & ts.SymbolFlags.ValueModule))
      .filter((symbol) => symbol.getDocumentationComment(program.getTypeChecker()).length === 0)
      .map(({ name }) => name);
    expect(silent).toEqual([]);
  });

  it("are used rightly in every example", () => {
    const names = exported.filter(({ flags }) => !(flags & ts.SymbolFlags.ValueModule));
    const path = (i: number) => `${root}tests/docs/example_${i}.ts`;
    const virtual = new Map(examples.map(({ code }, i) => [path(i), asModule(code, names)]));
    virtual.set(`${root}tests/docs/autoencoder.ts`, AUTOENCODER);
    const compiled = compile(virtual);
    const errors = examples.flatMap(({ place }, i) =>
      compiled
        .getSemanticDiagnostics(compiled.getSourceFile(path(i)))
        .map(({ messageText }) => `${place}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`),
    );
    expect(errors).toEqual([]);
    expect(examples.length).toBeGreaterThan(5);
  });
});
