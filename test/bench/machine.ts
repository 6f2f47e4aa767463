import { accessSync, constants, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'

/** Who runs where. `undefined`: wherever the scheduler likes. */
export interface Placement {
  readonly subject: string | undefined
  readonly load: string | undefined
  /** Why nothing is pinned. */
  readonly unpinned: string | undefined
}

/** The subject gets a core of its own; load and upstreams share what is left. */
export function placement(): Placement {
  const [first, ...others] = allowedCores()
  const nowhere = { subject: undefined, load: undefined }
  if (first === undefined || others.length === 0) {
    return { ...nowhere, unpinned: 'there is one core only: the subject shares it with its load' }
  }
  if (findTool('taskset') === undefined) {
    return { ...nowhere, unpinned: 'there is no taskset on the PATH (Debian: util-linux)' }
  }
  return { subject: String(first), load: others.join(','), unpinned: undefined }
}

/** `command` as it has to be called to run on `cores` only. taskset becomes the command, so the pid is the same. */
export function pinned(
  cores: string | undefined,
  command: string,
  args: readonly string[],
): readonly [string, ...string[]] {
  return cores === undefined ? [command, ...args] : ['taskset', '-c', cores, command, ...args]
}

// Where Debian keeps servers, and where an ordinary user's PATH does not look.
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin']

/** The full path of a program. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SERVER_FOLDERS]
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(executable)
}

/** What the figures depend on. */
export interface Machine {
  readonly node: string
  readonly v8: string
  readonly platform: string
  readonly cpu: string
  readonly cores: number
  readonly memoryMiB: number
  readonly placement: Placement
}

export function describeMachine(where: Placement): Machine {
  const models = cpus().map(({ model }) => model.trim())
  return {
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform} ${release()} ${process.arch}`,
    cpu: models[0] ?? 'unknown',
    cores: models.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    placement: where,
  }
}

/** The cores this process may use: a container often has fewer than the machine. */
function allowedCores(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return parseCores(list ?? '')
  } catch {
    return cpus().map((_, core) => core)
  }
}

/** The kernel's notation, such as `0-2,5`. */
function parseCores(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number)
    if (first === undefined) return []
    return Array.from({ length: (last ?? first) - first + 1 }, (_, step) => first + step)
  })
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
