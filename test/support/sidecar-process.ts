import { eventually } from './poll.js'
import { built, Child } from './child.js'

/** The built sidecar, as a process. */
export interface SidecarProcess extends AsyncDisposable {
  readonly child: Child
  /** Where applications send their requests. */
  readonly address: string
  readonly admin: string
}

/** The sidecar as its users run it; ends by itself only where `args` are such. */
export function runSidecar(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Child {
  return new Child(process.execPath, [built('packages/sidecar/dist/main.js'), ...args], env)
}

/** A sidecar on free ports, once it listens. */
export async function startSidecarProcess(consul: string, args: readonly string[]): Promise<SidecarProcess> {
  const listen = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--consul', consul]
  const child = runSidecar([...listen, ...args])
  const line = await child.line(/"address":/)
  const { address, admin } = JSON.parse(line) as { address: string; admin: string }
  return { child, address, admin, [Symbol.asyncDispose]: () => child.kill() }
}

/** Waits until `/readyz` answers with this status. */
export async function untilReadyz({ admin }: SidecarProcess, status: 200 | 503): Promise<unknown> {
  const answer = await eventually(
    async () => {
      const response = await fetch(`${admin}/readyz`)
      const body: unknown = await response.json()
      return response.status === status && { body }
    },
    { what: `${status} of /readyz` },
  )
  return answer.body
}
