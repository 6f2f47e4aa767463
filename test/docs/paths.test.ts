import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

// A page that names a file or links to one sends its reader there: every path has to exist, and every anchor.
const root = join(import.meta.dirname, '../..')

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...['packages/sdk', 'packages/sidecar'].map((folder) => `${folder}/README.md`),
  ...['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]

/** Where a path may begin that does not begin at the root. */
const BASES = ['', 'packages/sdk/src', 'packages/sidecar/src', 'test', 'docs']

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (name) => !/node_modules|dist\//.test(name),
)
const names = new Set(files.map((name) => name.slice(name.lastIndexOf('/') + 1)))

test.each(pages)('%s names files that exist', (page) => {
  expect(pathsIn(textOf(page)).filter((path) => !exists(path))).toEqual([])
})

test.each(pages)('%s links to what exists', (page) => {
  expect(linksIn(textOf(page)).filter((target) => !leadsSomewhere(page, target))).toEqual([])
})

test('what does not exist is found', () => {
  expect(pathsIn('`a/b.ts` and `gone.ts`, not `https://a/b.ts`, `a/*.ts` or `npm run x`')).toEqual([
    'a/b.ts',
    'gone.ts',
  ])
  expect(['call/call.ts', 'gone.ts', 'call/gone.ts', 'lint/layers.js'].filter(exists)).toEqual([
    'call/call.ts',
    'lint/layers.js',
  ])
  expect(leadsSomewhere('README.md', 'docs/gone.md')).toBe(false)
  expect(leadsSomewhere('docs/balancing.md', '#panic')).toBe(true)
  expect(leadsSomewhere('docs/consul.md', 'balancing.md#gone')).toBe(false)
})

function textOf(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** What stands as code and looks like a source file or a folder of sources. */
function pathsIn(text: string): string[] {
  return (
    [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\s]+)`/g)]
      .map(([, token = '']) => token)
      // `lib/` is where undici has its sources, and `docs/api` is what `npm run docs` makes.
      .filter((token) => PATH.test(token) && !/^(?:lib\/|docs\/api\b)/.test(token))
  )
}

const PATH =
  /^(?:[\w.-]+\/)*[\w-][\w.-]*\.(?:ts|js|sh|py)$|^(?:packages|test|lint|docs|docker|examples)\/[\w./-]+$/

function exists(path: string): boolean {
  if (!path.includes('/')) return names.has(path)
  return BASES.some((base) => existsSync(join(root, base, path)))
}

function linksIn(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)].map(
    ([, target = '']) => target,
  )
}

function leadsSomewhere(page: string, target: string): boolean {
  const blob = 'https://github.com/fairlead/fairlead/blob/main/'
  // The pages at npm name those of the repository by their address.
  if (target.startsWith(blob)) return leadsSomewhere('README.md', target.slice(blob.length))
  if (/^[a-z]+:/.test(target)) return true
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : relative(root, join(root, dirname(page), path))
  if (!existsSync(join(root, file))) return false
  return anchor === undefined || anchorsIn(textOf(file)).includes(anchor)
}

/** As GitHub makes them of headings. */
function anchorsIn(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
