import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { built } from '../support/child.js'
import { TempFolder } from '../support/temp-folder.js'

// What a user gets: both packages as npm packs them, installed into a project that knows nothing of this repository.
// Without a registry: what they depend on is packed as well, from what is installed here.

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const packages = ['packages/sdk', 'packages/sidecar'].map((path) => join(root, path))

/** The packages that these need, and those they need, by name; each as its folder. */
async function dependenciesOf(folders: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const open = [...folders]
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    const { dependencies = {} } = await manifestOf(folder)
    for (const name of Object.keys(dependencies)) {
      if (name.startsWith('@fairlead/') || found.has(name)) continue
      const installed = installedIn(folder, name)
      found.set(name, installed)
      open.push(installed)
    }
  }
  return found
}

function installedIn(folder: string, name: string): string {
  const places = createRequire(join(folder, 'package.json')).resolve.paths(name) ?? []
  for (const place of places) {
    try {
      return dirname(createRequire(import.meta.url).resolve(join(place, name, 'package.json')))
    } catch {
      // Not there: further up.
    }
  }
  throw new Error(`${name} is not installed for ${folder}`)
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
}

async function manifestOf(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
}

let folder: TempFolder
let project: string
let environment: NodeJS.ProcessEnv

const npm = async (command: string, ...args: string[]): Promise<string> =>
  (await run(command, args, { cwd: project, env: environment })).stdout

beforeAll(async () => {
  built('packages/sidecar/dist/main.js')
  folder = await TempFolder.create('fairlead-packed-')
  project = folder.path
  // A registry that does not answer, whatever is configured: what has to be fetched is a failure.
  environment = {
    ...process.env,
    npm_config_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_ignore_scripts: 'true',
    npm_config_cache: join(project, 'cache'),
  }
  await writeFile(join(project, 'package.json'), '{}')
  const dependencies = await dependenciesOf(packages)
  const listed = await npm('npm', 'pack', '--json', ...packages, ...dependencies.values())
  const packed = JSON.parse(listed) as { readonly name: string; readonly filename: string }[]
  const files = Object.fromEntries(
    Object.values(packed).map(({ name, filename }) => [name, `file:./${filename}`]),
  )
  const wanted = Object.entries(files).filter(([name]) => name.startsWith('@fairlead/'))
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({
      private: true,
      type: 'module',
      dependencies: Object.fromEntries(wanted),
      overrides: files,
    }),
  )
  await npm('npm', 'install')
})

afterAll(() => folder[Symbol.asyncDispose]())

test('npx @fairlead/sidecar is ours, from the tarball and from this clone', async () => {
  const { version } = await manifestOf(join(project, 'node_modules/@fairlead/sidecar'))
  expect(await npm('npx', '--offline', '@fairlead/sidecar', '--version')).toBe(`${version}\n`)
  const { stdout } = await run('npx', ['--offline', '@fairlead/sidecar', '--help'], { cwd: root })
  expect(stdout).toMatch(/^Usage: npx @fairlead\/sidecar \[options\]/)
})

test('the SDK and its test kit work from the tarball', async () => {
  await writeFile(
    join(project, 'program.js'),
    `
      import { createServer } from 'node:http'
      import { createClient, fixedResolver } from '@fairlead/sdk'
      import { FakeConsul } from '@fairlead/sdk/testing'
      const server = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1', async () => {
        const resolver = fixedResolver(['http://127.0.0.1:' + server.address().port])
        const { statusCode, body } = await createClient('orders', { resolver }).request({ path: '/' })
        console.log(statusCode, await body.text(), typeof FakeConsul)
        server.close()
      })
    `,
  )
  expect(await npm(process.execPath, 'program.js')).toBe('200 ok function\n')
})

test.for(['sdk', 'sidecar'])('the page of @fairlead/%s at npm stands by itself', async (name) => {
  const installed = join(project, 'node_modules/@fairlead', name)
  expect(await readdir(installed)).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'dist']))
  const readme = await readFile(join(installed, 'README.md'), 'utf8')
  // A relative link leads nowhere on npm's page.
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target)
  expect(links.filter((target) => !/^(https:|#)/.test(target))).toEqual([])
  const manifest = await manifestOf(installed)
  expect(manifest).toMatchObject({
    homepage: expect.stringContaining('https://github.com/fairlead/fairlead') as string,
    bugs: expect.anything() as unknown,
    repository: { directory: `packages/${name}` },
    publishConfig: { access: 'public' },
  })
})
