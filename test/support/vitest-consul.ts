import type { TestProject } from 'vitest/node'
import { startConsul } from './consul/start-consul.js'
import type { ConsulKind } from './consul/test-consul.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The Consul of this run. Shared: take names from `uniqueService`, and deregister what you register. */
    consul: { readonly address: string; readonly kind: ConsulKind; readonly version: string }
  }
}

/** The global set-up of the integration project: one Consul for the run, `inject('consul')` in the tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const say = (line: string): void => console.log(`[consul] ${line}`)
  const consul = await startConsul({ log: say })
  const { address, kind, version } = consul
  say(`tests run against Consul ${version} (${kind}) at ${address}`)
  project.provide('consul', { address, kind, version })
  return () => consul.close()
}
