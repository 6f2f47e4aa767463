import { consulVersions } from './binaries.js'
import type { ConsulKind } from './test-consul.js'

/** A Consul that can be had here. */
export type ConsulSource =
  | { readonly kind: 'external'; readonly address: string }
  | { readonly kind: 'container'; readonly image: string }
  | { readonly kind: 'process'; readonly binary: string }

/** Looks into the machine. Each rejects with the reason why there is none. */
export interface Probes {
  /** Resolves if a Docker engine answers and has the image, or can pull it. */
  readonly image: (name: string) => Promise<void>
  /** Resolves with the `consul` of the PATH. */
  readonly path: () => Promise<string>
  /** Resolves with the `consul` of Debian's package. */
  readonly debian: () => Promise<string>
  /** Resolves with the `consul` that was built from its Go module. */
  readonly built: () => Promise<string>
}

/** The part of the environment that decides. */
export type ConsulEnvironment = Readonly<
  Partial<
    Record<
      'CONSUL_HTTP_ADDR' | 'FAIRLEAD_CONSUL' | 'FAIRLEAD_CONSUL_IMAGE' | 'FAIRLEAD_CONSUL_VERSION',
      string
    >
  >
>

/** The order of preference where the caller has none. */
export const allKinds: readonly ConsulKind[] = ['external', 'container', 'process']

/**
 * The first of `kinds` that this machine has. `FAIRLEAD_CONSUL` narrows them to one, and `FAIRLEAD_CONSUL_VERSION` a
 * process to the one or the other that we know to get.
 * Rejects with one line that says what was tried and what to install: a test without Consul fails, it never skips.
 */
export async function chooseConsul<K extends ConsulKind>(
  kinds: readonly K[],
  env: ConsulEnvironment,
  probes: Probes,
): Promise<Extract<ConsulSource, { kind: K }>> {
  const reasons: string[] = []
  for (const kind of narrow(kinds, env.FAIRLEAD_CONSUL)) {
    try {
      return (await find(kind, env, probes)) as Extract<ConsulSource, { kind: K }>
    } catch (error) {
      reasons.push(`${kind}: ${oneLine(error)}`)
    }
  }
  throw new Error(
    `no Consul here (${reasons.join('; ')}): install Docker, or Consul from ` +
      `https://developer.hashicorp.com/consul/install, or set CONSUL_HTTP_ADDR to an agent that runs`,
  )
}

function narrow<K extends ConsulKind>(kinds: readonly K[], forced: string | undefined): readonly K[] {
  if (forced === undefined || forced === '') return kinds
  if (!allKinds.some((known) => known === forced)) {
    throw new Error(`FAIRLEAD_CONSUL is '${forced}', and must be one of ${allKinds.join(', ')}`)
  }
  const kind = kinds.find((wanted) => wanted === forced)
  if (kind === undefined) {
    throw new Error(`FAIRLEAD_CONSUL is '${forced}', but what runs here takes only ${kinds.join(', ')}`)
  }
  return [kind]
}

async function find(kind: ConsulKind, env: ConsulEnvironment, probes: Probes): Promise<ConsulSource> {
  switch (kind) {
    case 'external':
      return { kind, address: externalAddress(env.CONSUL_HTTP_ADDR) }
    case 'container': {
      const image = env.FAIRLEAD_CONSUL_IMAGE || 'hashicorp/consul'
      await probes.image(image)
      return { kind, image }
    }
    case 'process':
      return { kind, binary: await binary(probes, env.FAIRLEAD_CONSUL_VERSION) }
  }
}

// Whether the agent answers is not asked here: one that is named and dead is an error, never a reason to go on.
function externalAddress(address: string | undefined): string {
  if (!address) throw new Error('CONSUL_HTTP_ADDR is not set')
  // Consul's own command line takes the address with or without a scheme.
  return (address.includes('://') ? address : `http://${address}`).replace(/\/+$/, '')
}

async function binary(probes: Probes, version: string | undefined): Promise<string> {
  if (version === consulVersions.debian) return probes.debian()
  if (version === consulVersions.built) return probes.built()
  if (version !== undefined && version !== '') {
    const known = Object.values(consulVersions).join(', ')
    throw new Error(`FAIRLEAD_CONSUL_VERSION is '${version}', and must be one of ${known}`)
  }
  try {
    return await probes.path()
  } catch (missing) {
    try {
      return await probes.debian()
    } catch (error) {
      throw new Error(`${oneLine(missing)}, ${oneLine(error)}`, { cause: error })
    }
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().replace(/\s*\n\s*/g, ' ')
}
