import { join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

// What an editor shows of a name: every export of the packages, and every public member of an exported type, says
// something. Read from the sources, as the compiler sees them.
const root = join(import.meta.dirname, '../..')
const ENTRIES = [
  'packages/sdk/src/index.ts',
  'packages/sdk/src/grpc/index.ts',
  'packages/sdk/src/connect-node/index.ts',
  'packages/sdk/src/internal.ts',
  'packages/sdk/src/testing/index.ts',
  'packages/sidecar/src/index.ts',
]

test('every export and every public member has documentation for an editor to show', () => {
  const checker = program(ENTRIES.map((entry) => join(root, entry)))
  expect(undocumented(checker)).toEqual([])
}, 120_000)

test('what has none is found: exports, members of interfaces, classes and unions, but nothing private or of others', () => {
  const file = join(root, 'test/docs/hover-example.ts')
  const code = `
    export interface Bare { size: number }
    /** Documented. */
    export interface Half {
      /** Documented. */
      good: number
      bad: number
    }
    /** Documented. */
    export class Box extends Array<number> {
      /** Documented. */
      good = 1
      bad = 2
      #own = 3
      private kept = this.#own
      protected heir = 5
    }
    /** Documented. */
    export type Either =
      | { left: number }
      | {
          /** Documented. */
          right: number
        }
    /** Documented. */
    export type Named = 'a' | 'b'
    /** @throws RangeError always. */
    export function fail(): never { throw new RangeError() }
    interface Inner { hidden: number }
    /** Documented. */
    export const inner: Inner | undefined = undefined
  `
  expect(undocumented(program([file], code)).map((line) => line.replace(/^.* /, ''))).toEqual([
    'Bare',
    'Bare.size',
    'Half.bad',
    'Box.bad',
    'Either.left',
  ])
})

interface Program {
  readonly checker: ts.TypeChecker
  readonly entries: readonly ts.SourceFile[]
}

/** @param code The text of the only file, where it is not on disk. */
function program(files: readonly string[], code?: string): Program {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    customConditions: ['@fairlead/source'],
    types: ['node'],
    strict: true,
    noEmit: true,
  }
  const host = ts.createCompilerHost(options)
  const getSourceFile = host.getSourceFile.bind(host)
  host.getSourceFile = (path, version, ...rest) =>
    code !== undefined && path === files[0]
      ? ts.createSourceFile(path, code, version, true)
      : getSourceFile(path, version, ...rest)
  const made = ts.createProgram(files, options, host)
  const entries = files.flatMap((file) => made.getSourceFile(file) ?? [])
  expect(entries).toHaveLength(files.length)
  return { checker: made.getTypeChecker(), entries }
}

/** `file:line Name.member` of each that says nothing, in order. */
function undocumented({ checker, entries }: Program): string[] {
  const missing = new Set<string>()

  function note(symbol: ts.Symbol, name: string): void {
    const [declaration] = symbol.declarations ?? []
    if (declaration === undefined || !isOurs(declaration)) return
    if (symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0) return
    const file = declaration.getSourceFile()
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart())
    missing.add(`${relative(root, file.fileName)}:${line + 1} ${name}`)
  }

  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(entry)
    const exported = module === undefined ? [] : checker.getExportsOfModule(module)
    expect(exported, `${entry.fileName} exports something`).not.toEqual([])
    for (const name of exported) {
      const symbol = name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name
      note(symbol, symbol.name)
      if (!(symbol.flags & TYPES)) continue
      for (const member of membersOf(checker.getDeclaredTypeOfSymbol(symbol)))
        note(member, `${symbol.name}.${member.name}`)
    }
  }
  return [...missing]
}

const TYPES = ts.SymbolFlags.Interface | ts.SymbolFlags.Class | ts.SymbolFlags.TypeAlias

/** Of a union, those of each of its parts: what all have in common would be few. */
function membersOf(type: ts.Type): ts.Symbol[] {
  if (type.isUnion()) return type.types.flatMap(membersOf)
  return type.getProperties().filter((member) => {
    const [declaration] = member.declarations ?? []
    // A symbol's name, such as that of Symbol.dispose, says what it is for.
    if (declaration === undefined || member.name.startsWith('__@')) return false
    const name = ts.getNameOfDeclaration(declaration)
    if (name !== undefined && ts.isPrivateIdentifier(name)) return false
    return !(ts.getCombinedModifierFlags(declaration) & HIDDEN)
  })
}

const HIDDEN = ts.ModifierFlags.Private | ts.ModifierFlags.Protected

/** Declared in this repository, and not inherited from Node or a dependency. */
function isOurs(declaration: ts.Declaration): boolean {
  const path = declaration.getSourceFile().fileName
  return path.startsWith(root) && !path.includes('/node_modules/')
}
