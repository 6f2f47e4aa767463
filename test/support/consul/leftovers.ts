import { readdir, readFile } from 'node:fs/promises'
import { eventually } from '../poll.js'

/** Whether nothing listens at the address. */
export async function refuses(address: string): Promise<boolean> {
  try {
    await fetch(`${address}/v1/status/leader`)
    return false
  } catch {
    return true
  }
}

/** The folders of agents below `scratch`, whose tests have it as their `TMPDIR`. */
export async function folders(scratch: string): Promise<string[]> {
  // Testcontainers keeps a lock file of its own beside them.
  return (await readdir(scratch)).filter((name) => name.startsWith('fairlead-consul-'))
}

/** Processes whose command line has the agent's address and port; those of a container are seen too. */
export async function processes(address: string): Promise<string[]> {
  const { hostname, port } = new URL(address)
  // The port alone may be another agent's, on another address of the loopback: the kernel hands it out once for each.
  const settings = `"client_addr":"${hostname}","ports":{"http":${port},`
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => 'gone')),
  )
  return lines.filter((line) => line.includes(settings))
}

/** What is left of the agent: its process, and the folders below `scratch`. */
export async function leftovers(scratch: string, address: string): Promise<string[]> {
  return [...(await folders(scratch)), ...(await processes(address))]
}

/** Waits until there are no {@link leftovers}; the error says what they are. */
export async function untilNothingIsLeft(scratch: string, address: string): Promise<void> {
  const gone = async (): Promise<boolean> => {
    const left = await leftovers(scratch, address)
    if (left.length > 0) throw new Error(`left: ${left.join('; ')}`)
    return true
  }
  await eventually(gone, { what: `nothing to be left of ${address}` })
}
