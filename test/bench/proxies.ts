import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { freePorts } from '../support/free-ports.js'
import { eventually } from '../support/poll.js'
import type { Children, Program } from './children.js'
import { findTool, type Placement } from './machine.js'
import { envoyConfig, haproxyConfig, nginxConfig, type PeerConfig } from './peer-configs.js'
import type { PeerArgument } from './subjects/peer.js'

/** A proxy that runs and has answered. */
export interface Proxy {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

/** What a proxy is started with. */
export interface Surroundings {
  readonly children: Children
  readonly where: Placement
  readonly origins: readonly string[]
  /** Address of the agent that knows the origins as `service`. */
  readonly consul: string
  readonly service: string
}

/** Rejects with the reason why there is none. */
export type StartProxy = (surroundings: Surroundings) => Promise<Proxy>

export const SIDECAR = 'sidecar'

/** All that stand where the sidecar stands, by the name they have in the report. */
export const proxies: Readonly<Record<string, StartProxy>> = {
  [SIDECAR]: startSidecar,
  '@fastify/reply-from': (surroundings) => startPeer('reply-from.js', surroundings),
  'http-proxy-3': (surroundings) => startPeer('http-proxy-3.js', surroundings),
  'TCP relay in Node': (surroundings) => startPeer('tcp-relay.js', surroundings),
  nginx: (surroundings) =>
    startTool('nginx', surroundings, nginxConfig, (file, folder) => [
      '-p',
      folder,
      '-e',
      'stderr',
      '-c',
      file,
    ]),
  haproxy: (surroundings) => startTool('haproxy', surroundings, haproxyConfig, (file) => ['-db', '-f', file]),
  envoy: (surroundings) =>
    startTool('envoy', surroundings, envoyConfig, (file) =>
      ['-c', file, '--concurrency', '1', '--log-level', 'error'].concat('--disable-hot-restart'),
    ),
}

const SIDECAR_MAIN = 'packages/sidecar/dist/main.js'

async function startSidecar({ children, where, consul, service }: Surroundings): Promise<Proxy> {
  // From test/dist/bench, where this file is built to.
  const main = join(import.meta.dirname, '../../..', SIDECAR_MAIN)
  if (!existsSync(main)) throw new Error(`${SIDECAR_MAIN} is not built`)
  const [port = 0, admin = 0] = await freePorts(2)
  const flags = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${admin}`, '--consul', consul]
  const program = children.program(process.execPath, [main, ...flags, '--log-level', 'warn'], {
    cores: where.subject,
  })
  await answering(program, SIDECAR, async () => {
    const ready = await fetch(`http://127.0.0.1:${admin}/readyz`)
    return ready.ok && (await proxied(port, service))
  })
  return running(program, port)
}

async function startPeer(
  script: string,
  { children, where, origins, service }: Surroundings,
): Promise<Proxy> {
  const worker = children.worker(script, { origins } satisfies PeerArgument, { cores: where.subject })
  const port = await worker.ask<number>('port')
  await answering(worker, script, () => proxied(port, service))
  return running(worker, port)
}

async function startTool(
  name: string,
  { children, where, origins, service }: Surroundings,
  config: (config: PeerConfig) => string,
  argumentsFor: (file: string, folder: string) => readonly string[],
): Promise<Proxy> {
  const tool = findTool(name)
  if (tool === undefined) throw new Error(`there is no ${name} on the PATH`)
  const own = join(children.folder, name)
  await mkdir(own, { recursive: true })
  const [port = 0] = await freePorts(1)
  const file = join(own, name === 'envoy' ? 'envoy.json' : `${name}.conf`)
  const upstreams = origins.map((origin) => new URL(origin).host)
  await writeFile(file, config({ port, upstreams, folder: own }))
  const program = children.program(tool, argumentsFor(file, own), { cores: where.subject })
  await answering(program, name, () => proxied(port, service))
  return running(program, port)
}

function running(program: Program, port: number): Proxy {
  return { port, pid: program.pid, stop: () => program.stop() }
}

/** Waits until it does its work, or has ended instead. */
async function answering(program: Program, name: string, probe: () => Promise<boolean>): Promise<void> {
  const gone = new AbortController()
  const check = (): Promise<boolean> => {
    if (!program.running) gone.abort(program.whyEnded())
    return probe()
  }
  try {
    await eventually(check, { what: `${name} to answer`, signal: gone.signal })
  } catch (error) {
    await program.stop()
    throw error
  }
}

/** fetch sets the Host header itself, so the sidecar is told by its own. */
async function proxied(port: number, service: string): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'fairlead-service': service } })
  await response.arrayBuffer()
  return response.ok
}
