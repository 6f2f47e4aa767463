import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from './children.js'
import { findTool, type Placement } from './machine.js'
import type { Load, LoadArgument, LoadOrder } from './subjects/load-generator.js'

/** Sends requests to a port of 127.0.0.1, as many as it takes. */
export interface LoadGenerator {
  readonly name: string
  run(port: number, milliseconds: number): Promise<Load>
}

export interface Shape {
  readonly connections: number
  readonly path: string
  /** The Host header: to a sidecar the name of the service. */
  readonly host: string
}

/** wrk, or where there is none, our own. */
export async function startLoadGenerator(
  children: Children,
  where: Placement,
  shape: Shape,
): Promise<LoadGenerator> {
  const wrk = findTool('wrk')
  return wrk === undefined ? ownGenerator(children, where, shape) : wrkGenerator(wrk, children, where, shape)
}

function ownGenerator(
  children: Children,
  { load }: Placement,
  { connections, path, host }: Shape,
): LoadGenerator {
  const argument: LoadArgument = { connections, request: `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n` }
  const worker = children.worker('load-generator.js', argument, { cores: load })
  return {
    name: 'our own load generator, as there is no wrk',
    run: (port, milliseconds) => worker.ask<Load>({ port, milliseconds } satisfies LoadOrder),
  }
}

// wrk's own report rounds to three digits; this is what it counted.
const REPORT = `
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"p50Ms":%.4f,"p99Ms":%.4f,"errors":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`

async function wrkGenerator(
  wrk: string,
  children: Children,
  { load }: Placement,
  { connections, path, host }: Shape,
): Promise<LoadGenerator> {
  const script = join(children.folder, 'report.lua')
  await writeFile(script, REPORT)
  return {
    name: 'wrk',
    async run(port, milliseconds) {
      // wrk counts in whole seconds.
      const duration = `${Math.max(1, Math.round(milliseconds / 1000))}s`
      const program = children.program(
        wrk,
        ['-t', '1', '-c', `${connections}`, '-d', duration, '-s', script, '-H', `Host: ${host}`].concat(
          `http://127.0.0.1:${port}${path}`,
        ),
        { cores: load },
      )
      const line = (await program.output()).trim().split('\n').at(-1) ?? ''
      const { errors, ...result } = JSON.parse(line) as Load & { readonly errors: number }
      if (errors > 0) throw new Error(`${errors} requests failed`)
      return result
    },
  }
}
