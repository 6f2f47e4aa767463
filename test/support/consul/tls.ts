import { ask, type AnAgent, type TlsFiles } from './agent-access.js'
import type { ConsulConfig } from './agent-command.js'
import type { CertificateAuthority } from './certificates.js'

export interface TlsSettings {
  /** Issues the agent's certificate. */
  readonly authority: CertificateAuthority
  /** Refuses clients without a certificate of the authority. @defaultValue false */
  readonly verifyIncoming?: boolean
}

/** HTTPS on `port`, and no HTTP. */
export async function tlsConfig(
  { authority, verifyIncoming = false }: TlsSettings,
  host: string,
  port: number,
): Promise<ConsulConfig> {
  const { caFile, certFile, keyFile } = await issueForAgent(authority, host, port)
  return {
    ports: { http: -1, https: port },
    // From 1.12 on under `tls`, which 1.8.7 does not know; later ones take both.
    ca_file: caFile,
    cert_file: certFile,
    key_file: keyFile,
    verify_incoming_https: verifyIncoming,
  }
}

/** The certificate of the agent that serves HTTPS there. Issued again, it takes effect with {@link reload}. */
export function issueForAgent(
  authority: CertificateAuthority,
  host: string,
  port: number,
): Promise<TlsFiles> {
  // Named after both, as agents may share an authority, and those of a cluster their ports.
  return authority.issue(`server-${host}-${port}`, { hosts: [host, 'localhost'] })
}

/** Has the agent read its files again, certificates among them. */
export async function reload(agent: AnAgent): Promise<void> {
  await ask(agent, 'agent/reload', { method: 'PUT' })
}
