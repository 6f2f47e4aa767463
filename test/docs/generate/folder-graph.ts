import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { constant, parse } from './declarations.js'

const LAYERS = 'lint/layers.js'
/** The rows of the SDK's layers, at the bottom, that nearly everything imports: one node. */
const BASE_ROWS = 2

const SDK = { sources: 'packages/sdk/src', layers: 'SDK', prefix: 'sdk' }
const SIDECAR = { sources: 'packages/sidecar/src', layers: 'SIDECAR', prefix: 'sidecar' }

/**
 * The folders of both packages, and which imports which, as a Mermaid graph from top to bottom. Neighbours of one folder in
 * the order of the layers are one node, and an edge that a longer way says already is left out: what is left is read from
 * top to bottom.
 */
export function folderGraph(root: string): string {
  const sdk = graphOf(root, SDK, BASE_ROWS)
  const sidecar = graphOf(root, SIDECAR, 0)
  return [
    'flowchart TD',
    subgraph('packages/sidecar', sidecar),
    subgraph('packages/sdk', sdk),
    // By its name, as any user of the package.
    `  ${sidecar.prefix} --> ${idOf(
      sdk,
      sdk.nodes.findIndex(({ entries }) => entries.includes('index')),
    )}`,
  ].join('\n')
}

interface Node {
  /** Of the layers: folders, or files of a place of their own. */
  readonly entries: readonly string[]
}

interface Graph {
  readonly prefix: string
  /** Bottom first. */
  readonly nodes: readonly Node[]
  /** By the number of the node: those that it imports. */
  readonly imports: readonly ReadonlySet<number>[]
}

interface Package {
  readonly sources: string
  readonly layers: string
  readonly prefix: string
}

function graphOf(root: string, { sources, layers, prefix }: Package, baseRows: number): Graph {
  const files = sourcesIn(join(root, sources))
  const entries = new Set(
    files.map((file) => file.replace(/\.ts$/, '')).flatMap((file) => [file, dirname(file)]),
  )
  const nodes = nodesOf(rowsOf(root, layers), baseRows)
    // What only tests have has no place in the picture.
    .map((node) => ({ entries: node.entries.filter((entry) => entries.has(entry)) }))
    .filter((node) => node.entries.length > 0)
  const imports = nodes.map(() => new Set<number>())
  for (const file of files) {
    const from = nodeOf(file, nodes)
    for (const target of importsOf(join(root, sources), file)) {
      const to = nodeOf(target, nodes)
      if (from !== to) imports[from]?.add(to)
    }
  }
  return { prefix, nodes, imports: reduced(imports) }
}

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !/\.test(?:\.support)?\.ts$/.test(name),
  )
}

function importsOf(sources: string, file: string): readonly string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(sources, file), 'utf8'))
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => normalize(join(dirname(file), fileName)).replace(/\.js$/, '.ts'))
}

/** The lines of a constant of lint/layers.js: the rows of layers, bottom first. */
function rowsOf(root: string, name: string): readonly (readonly string[])[] {
  const value = constant(parse(root, LAYERS), name)
  if (!ts.isStringLiteralLike(value)) throw new Error(`${LAYERS}: ${name} is not a text`)
  return value.text
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
}

function nodesOf(rows: readonly (readonly string[])[], baseRows: number): readonly Node[] {
  const nodes: { entries: string[] }[] = []
  if (baseRows > 0) nodes.push({ entries: rows.slice(0, baseRows).flat() })
  for (const entry of rows.slice(baseRows).flat()) {
    const last = nodes.length > (baseRows > 0 ? 1 : 0) ? nodes.at(-1) : undefined
    if (last !== undefined && last.entries.every((other) => topOf(other) === topOf(entry)))
      last.entries.push(entry)
    else nodes.push({ entries: [entry] })
  }
  return nodes
}

function topOf(entry: string): string {
  return entry.split('/')[0] ?? entry
}

/** The number of the node that a file belongs to: by its own entry, else by that of its folder. */
function nodeOf(file: string, nodes: readonly Node[]): number {
  const own = file.replace(/\.ts$/, '')
  for (const entry of [own, dirname(own)]) {
    const found = nodes.findIndex(({ entries }) => entries.includes(entry))
    if (found >= 0) return found
  }
  throw new Error(`${file} has no layer: give it a place in ${LAYERS}`)
}

/** Without the edges that a longer way says already. Nodes import those below them only, so that there is no circle. */
function reduced(imports: readonly ReadonlySet<number>[]): readonly ReadonlySet<number>[] {
  const below = imports.map((): ReadonlySet<number> => new Set())
  imports.forEach((targets, node) => {
    below[node] = new Set([...targets].flatMap((target) => [target, ...(below[target] ?? [])]))
  })
  return imports.map((targets) => {
    const indirect = new Set([...targets].flatMap((target) => [...(below[target] ?? [])]))
    return new Set([...targets].filter((target) => !indirect.has(target)).sort((a, b) => b - a))
  })
}

function subgraph(title: string, graph: Graph): string {
  const { prefix, nodes, imports } = graph
  const top = nodes.map((_, index) => index).reverse()
  return [
    `  subgraph ${prefix} ["${title}"]`,
    ...top.map((index) => `    ${idOf(graph, index)}["${labelOf(nodes[index])}"]`),
    ...top.flatMap((index) =>
      [...(imports[index] ?? [])].map((target) => `    ${idOf(graph, index)} --> ${idOf(graph, target)}`),
    ),
    '  end',
  ].join('\n')
}

function idOf({ prefix, nodes }: Graph, index: number): string {
  return `${prefix}_${(nodes[index]?.entries[0] ?? '').replace(/\W/g, '_')}`
}

/** What is in one folder is named without it, and long lists are broken into lines. */
function labelOf(node: Node | undefined): string {
  const entries = node?.entries ?? []
  const [first = ''] = entries
  const top = `${topOf(first)}/`
  const isOneFolder = entries.length > 1 && entries.every((entry) => topOf(entry) === topOf(first))
  const names = isOneFolder
    ? entries.filter((entry) => entry.startsWith(top)).map((entry) => entry.slice(top.length))
    : entries
  return [...(isOneFolder ? [top] : []), ...linesOf(names)].join('<br>')
}

function linesOf(names: readonly string[]): readonly string[] {
  const lines: string[] = []
  for (let from = 0; from < names.length; from += 3) lines.push(names.slice(from, from + 3).join(', '))
  return lines
}
