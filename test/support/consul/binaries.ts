import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Debian's, from before the streaming backend; and what anyone with Go can build, which has it. */
export const consulVersions = { debian: '1.8.7', built: '1.13.9' } as const

// Debian 11 is the last that packages Consul.
const suite = 'bullseye'
// The one place that knows how to fetch a package; docker/consul/build-image.sh calls it too.
const fetchScript = join('docker', 'consul', 'fetch-debian-package.sh')
// And how to build one, and where it is then.
const buildScript = join('docker', 'consul', 'build-consul.sh')

/** The `consul` of the PATH. */
export async function consulOnPath(): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const binary = join(folder, 'consul')
    if (folder !== '' && (await allows(binary, constants.X_OK))) return binary
  }
  throw new Error('no consul on the PATH')
}

/** The `consul` of Debian's package, fetched once into the checkout's untracked `.cache`. */
export async function consulOfDebian(log: (line: string) => void): Promise<string> {
  const root = await repositoryRoot(import.meta.dirname)
  const folder = join(root, '.cache', `consul-${suite}`)
  const binary = join(folder, 'usr', 'bin', 'consul')
  if (await allows(binary, constants.X_OK)) return binary
  log(`fetching Consul from Debian's package into ${folder}`)
  try {
    await run(join(root, fetchScript), [suite, folder, 'consul'])
  } catch (error) {
    // The script says in one line of stderr what is missing.
    const { stderr } = error as { stderr?: string }
    throw new Error(stderr?.trim() || String(error), { cause: error })
  }
  return binary
}

/** The `consul` that docker/consul/build-consul.sh has built. It takes too long to be built by the way. */
export async function consulOfGo(): Promise<string> {
  const script = join(await repositoryRoot(import.meta.dirname), buildScript)
  const { stdout } = await run(script, ['--where'])
  const binary = stdout.trim()
  if (await allows(binary, constants.X_OK)) return binary
  throw new Error(
    `Consul ${consulVersions.built} has not been built: run ${buildScript}, which takes Go and minutes`,
  )
}

// This file runs from its source and from the build, which lies one folder deeper.
async function repositoryRoot(folder: string): Promise<string> {
  if (await allows(join(folder, fetchScript), constants.R_OK)) return folder
  const above = dirname(folder)
  if (above === folder) throw new Error(`no ${fetchScript} above ${import.meta.dirname}`)
  return repositoryRoot(above)
}

async function allows(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode)
    return true
  } catch {
    return false
  }
}
