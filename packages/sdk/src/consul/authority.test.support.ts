import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate and its key, PEM, as files. */
export interface Issued {
  readonly certFile: string
  readonly keyFile: string
}

/** An authority that issues certificates, by `openssl`. */
export class Authority implements Issued {
  readonly certFile: string
  readonly keyFile: string
  readonly #directory: string

  /** @param name Of its files, and in its certificate. */
  constructor(directory: string, name: string) {
    this.#directory = directory
    this.certFile = join(directory, `${name}.pem`)
    this.keyFile = join(directory, `${name}.key`)
    create(this, name, [])
  }

  /** @param altNames Such as `DNS:localhost,IP:127.0.0.1`. */
  issue(name: string, altNames: string): Issued {
    const issued = {
      certFile: join(this.#directory, `${name}.pem`),
      keyFile: join(this.#directory, `${name}.key`),
    }
    const signing = ['-CA', this.certFile, '-CAkey', this.keyFile]
    create(issued, name, [
      ...signing,
      '-addext',
      `subjectAltName=${altNames}`,
      '-addext',
      'basicConstraints=CA:FALSE',
    ])
    return issued
  }
}

export function pemOf({ certFile, keyFile }: Issued): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) }
}

function create({ certFile, keyFile }: Issued, name: string, more: readonly string[]): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  const options = ['req', '-x509', ...key, '-out', certFile, '-subj', `/CN=${name}`, '-days', '1', ...more]
  // The machine's own configuration could add extensions twice.
  execFileSync('openssl', options, { stdio: 'pipe' })
}
