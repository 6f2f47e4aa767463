import { readdir, readFile } from 'node:fs/promises'

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

/** Processes whose command line has the agent's port; those of a container are seen too. */
export async function processes(address: string): Promise<string[]> {
  const port = `"http":${new URL(address).port},`
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => 'gone')),
  )
  return lines.filter((line) => line.includes(port))
}

/** What is left of the agent: its process, and the folders below `scratch`. */
export async function leftovers(scratch: string, address: string): Promise<string[]> {
  return [...(await folders(scratch)), ...(await processes(address))]
}
