import { ESLint, Linter } from 'eslint'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parser, plugin } from 'typescript-eslint'
import { describe, expect, test } from 'vitest'
import { layersOf, layersRule } from './layers.js'
import { moduleStateRule, stateOf } from './module-state.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const eslint = new ESLint({ cwd: root })
const linter = new Linter({ cwd: root })
const rules = { layers: layersRule, 'module-state': moduleStateRule }

/** What our rules say of `code`, were it that file's, with the options that the file has in eslint.config.js. */
async function reported(filename, code) {
  const config = await eslint.calculateConfigForFile(`${root}${filename}`)
  const ours = Object.entries(config.rules).filter(([name]) => name.startsWith('fairlead/'))
  const messages = linter.verify(
    code,
    {
      files: ['**/*.ts'],
      languageOptions: { parser },
      // Those of other rules are.
      linterOptions: { reportUnusedDisableDirectives: 'off' },
      plugins: { fairlead: { rules }, '@typescript-eslint': plugin },
      rules: Object.fromEntries(ours),
    },
    { filename: `${root}${filename}` },
  )
  return messages.map(({ message }) => message)
}

describe('layers', () => {
  test.each([
    ['an import', "import { call } from '../call/call.js'"],
    ['a type', "import type { Call } from '../call/call.js'"],
    ['a re-export', "export { call } from '../call/call.js'"],
    ['all of it', "export * from '../call/call.js'"],
    ['an import at run time', "export const call = await import('../call/call.js')"],
    ['a type in place', "export type Call = import('../call/call.js').Call"],
    ['a folder', "import { wrong } from '../fetch/method.js'"],
  ])('upwards: %s', async (_, code) => {
    expect(await reported('packages/sdk/src/cluster/any.ts', code)).toEqual([
      expect.stringMatching(/^Layers import downwards only: '(call|fetch)' stands above 'cluster'/),
    ])
  })

  test('upwards within a folder, and to a file that stands above the rest of its folder', async () => {
    const structure = 'packages/sdk/src/balance/structures/any.ts'
    expect(await reported(structure, "import '../policies/load.js'")).toEqual([
      "Layers import downwards only: 'balance/policies' stands above 'balance/structures' in lint/layers.js.",
    ])
    expect(await reported(structure, "import '../picker.js'")).toEqual([])
    expect(
      await reported('packages/sdk/src/discovery/any.ts', "import './process-resolvers.js'"),
    ).toHaveLength(1)
  })

  test('downwards, within a layer, and of another package', async () => {
    const code = `
      import { undici } from 'undici'
      import { one } from '../balance/picker.js'
      import { two } from './two.js'
      import { three } from '../cluster/three.js'
      export const all = [undici, one, two, three] as const
    `
    expect(await reported('packages/sdk/src/cluster/any.ts', code)).toEqual([])
    expect(await reported('packages/sidecar/src/proxy/any.ts', "import '../inbound/head.js'")).toEqual([])
  })

  test('the sidecar has layers too', async () => {
    expect(await reported('packages/sidecar/src/inbound/any.ts', "import '../proxy/route.js'")).toHaveLength(
      1,
    )
  })

  test.each([
    ['a folder', 'packages/sdk/src/novelty/any.ts', 'novelty'],
    ['a folder in a folder', 'packages/sdk/src/balance/novelty/any.ts', 'balance/novelty'],
    ['a folder of tests', 'packages/sdk/src/novelty/any.test.ts', 'novelty'],
    ['a file', 'packages/sidecar/src/novelty.ts', 'novelty'],
  ])('%s without a layer', async (_, filename, layer) => {
    expect(await reported(filename, '')).toEqual([
      `'${layer}' has no layer: give it a place in lint/layers.js.`,
    ])
  })

  test('tests import what they like', async () => {
    expect(await reported('packages/sdk/src/cluster/any.test.ts', "import '../client.js'")).toEqual([])
    expect(await reported('packages/sdk/src/novelty.test.ts', "import './client.js'")).toEqual([])
  })

  test.each(Object.entries(layersOf))('%s: each layer is there, once', (sources, layers) => {
    const gone = layers.filter(
      (layer) => !['', '.ts'].some((end) => existsSync(`${root}${sources}/${layer}${end}`)),
    )
    expect(gone).toEqual([])
    expect(new Set(layers).size).toBe(layers.length)
  })
})

describe('state of a module', () => {
  const file = 'packages/sdk/src/balance/any.ts'

  test.each([
    'let state = 0',
    'export let state: number | undefined',
    'const state = new Map()',
    'const state: Map<string, string> = new Map()',
    'const state = new WeakMap()',
    'const state = new Tracker()',
    'export const state = []',
    'const state = [1, 2]',
    'const state: string[] = []',
    'const state = [] as string[]',
    'const state = [] satisfies string[]',
    'const state = { count: 0 }; export function add() { state.count++ }',
    'const state = { of: {} }; export function add(name: string) { state.of[name] = 1 }',
    'const state = make(); export function drop() { delete state.one }',
    'export class Tracker { static state = 0 }',
    'export class Tracker { static readonly state = new Map() }',
  ])('%s', async (code) => {
    expect(await reported(file, code)).toEqual([
      expect.stringMatching(/^Modules have no mutable state, and 'state'/),
    ])
  })

  test.each([
    "const NAMES = ['a'] as const",
    "const NAMES: readonly string[] = ['a']",
    "const NAMES: ReadonlySet<string> = new Set(['a'])",
    'const NONE: readonly never[] = Object.freeze([])',
    'const BACKOFF = { baseMs: 250 }; export const base = BACKOFF.baseMs',
    'const failed = new Error("why")',
    'export function count() { let one = 0; const all = []; all[one++] = new Map(); return all }',
    'export class Tracker { static readonly NAME = "a"; count = 0 }',
    'declare let before: string',
  ])('none: %s', async (code) => {
    expect(await reported(file, code)).toEqual([])
  })

  test.each(Object.entries(stateOf))(
    '%s has what it is excepted for',
    async (filename, { names, reason }) => {
      expect(reason).not.toBe('')
      expect(await reported(filename, readFileSync(`${root}${filename}`, 'utf8'))).toEqual([])
      // Not the whole file is.
      expect(
        await reported(filename, names.map((name) => `let ${name}`).join('\n') + '\nlet state'),
      ).toHaveLength(1)
    },
  )

  test('an exception for what is gone', async () => {
    const message =
      "lint/module-state.js excepts 'shared', which is no state of this module: remove it there."
    expect(await reported('packages/sdk/src/logger.ts', '')).toEqual([message])
  })
})
