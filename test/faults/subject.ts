import { join } from 'node:path'
import type { Children, Worker } from '../bench/children.js'
import { startConsulStandIn } from '../bench/consul-stand-in.js'
import { freePorts } from '../support/free-ports.js'
import { eventually } from '../support/poll.js'
import type { LoadArgument } from './subjects/load-program.js'
import type { Setting } from './subjects/sdk-sender.js'

export type SubjectName = 'sdk' | 'sidecar'

export const subjectNames: readonly SubjectName[] = ['sdk', 'sidecar']

/** The load, with the subject in it or beside it. */
export interface Subject extends AsyncDisposable {
  readonly load: Worker
}

const SERVICE = 'faults'
// From test/dist/faults, where this file is built to.
const SIDECAR_MAIN = join(import.meta.dirname, '../../..', 'packages/sidecar/dist/main.js')

/** Why this subject cannot be measured so; `undefined`: it can. */
export function whyNot(subject: SubjectName, setting: Setting): string | undefined {
  return subject === 'sidecar' && setting !== 'default' ? 'the sidecar has no option for it' : undefined
}

export async function startSubject(
  children: Children,
  subject: SubjectName,
  origins: readonly string[],
  setting: Setting,
): Promise<Subject> {
  return subject === 'sdk' ? startSdk(children, origins, setting) : startSidecar(children, origins)
}

function startSdk(children: Children, origins: readonly string[], setting: Setting): Subject {
  const load = startLoad(children, { subject: 'sdk', origins, setting })
  return { load, [Symbol.asyncDispose]: () => load.stop() }
}

async function startSidecar(children: Children, origins: readonly string[]): Promise<Subject> {
  const consul = await startConsulStandIn(SERVICE, origins)
  const [port = 0, adminPort = 0] = await freePorts(2)
  const flags = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${adminPort}`]
  const args = [SIDECAR_MAIN, ...flags, '--consul', consul.address, '--service', SERVICE]
  const sidecar = children.program(process.execPath, args, { cores: undefined })
  await eventually(
    async () => {
      if (!sidecar.running) throw sidecar.whyEnded()
      return (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok
    },
    { what: 'the sidecar to be ready' },
  )
  const load = startLoad(children, { subject: 'sidecar', address: { port, adminPort, service: SERVICE } })
  return {
    load,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([load.stop(), sidecar.stop()])
      await consul[Symbol.asyncDispose]()
    },
  }
}

function startLoad(children: Children, argument: LoadArgument): Worker {
  return children.worker('load-program.js', argument, { cores: undefined })
}
