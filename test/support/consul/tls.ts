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
  // Named after the port, as agents may share an authority.
  const { caFile, certFile, keyFile } = await authority.issue(`server-${port}`, {
    hosts: [host, 'localhost'],
  })
  return {
    ports: { http: -1, https: port },
    // From 1.12 on under `tls`, which 1.8.7 does not know; later ones take both.
    ca_file: caFile,
    cert_file: certFile,
    key_file: keyFile,
    verify_incoming_https: verifyIncoming,
  }
}
