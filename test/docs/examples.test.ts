import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

// What a reader copies has to compile: every TypeScript block of the README, the guides and the TSDoc comments.
const root = join(import.meta.dirname, '../..')

interface Example {
  /** Where it stands, for the message. */
  readonly place: string
  readonly code: string
}

function examplesIn(file: string): Example[] {
  const text = readFileSync(file, 'utf8')
  // In a comment each line begins with a star.
  const blocks = text.matchAll(/^( *\* ?)?```ts\n([\s\S]*?)^( *\* ?)?```$/gm)
  return [...blocks].map((block) => ({
    place: `${relative(root, file)}:${text.slice(0, block.index).split('\n').length}`,
    code: (block[2] ?? '').replace(block[1] === undefined ? /^$/ : /^ *\* ?/gm, ''),
  }))
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(root, folder, name))
}

const files = [
  ...['README.md', 'packages/sdk/README.md', 'packages/sidecar/README.md'].map((page) => join(root, page)),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(root, 'docs', name)),
  ...sources('packages/sdk/src'),
  ...sources('packages/sidecar/src'),
]
const examples = files.flatMap(examplesIn)

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(4)
})

test('every example compiles', () => {
  const config = ts.readConfigFile(join(root, 'tsconfig.base.json'), (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root)
  const names = examples.map((_, index) => join(root, 'test/docs', `example-${index}.mts`))
  const code = new Map(names.map((name, index) => [name, examples[index]?.code ?? '']))
  const compiler: ts.CompilerOptions = {
    ...options,
    customConditions: ['@fairlead/source'],
    noEmit: true,
    composite: false,
    incremental: false,
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
    // Examples show a result by naming it.
    noUnusedLocals: false,
  }
  const host = ts.createCompilerHost(compiler)
  const readFile = host.readFile.bind(host)
  const fileExists = host.fileExists.bind(host)
  const getSourceFile = host.getSourceFile.bind(host)
  host.readFile = (name) => code.get(name) ?? readFile(name)
  host.fileExists = (name) => code.has(name) || fileExists(name)
  host.getSourceFile = (name, version, ...rest) => {
    const text = code.get(name)
    // A module each, or their names would meet.
    if (text !== undefined) return ts.createSourceFile(name, `${text}\nexport {}\n`, version)
    return getSourceFile(name, version, ...rest)
  }
  const program = ts.createProgram(names, compiler, host)
  const complaints = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const index = names.indexOf(file?.fileName ?? '')
    return `${examples[index]?.place ?? file?.fileName ?? dirname(root)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  expect(complaints).toEqual([])
}, 180_000)
