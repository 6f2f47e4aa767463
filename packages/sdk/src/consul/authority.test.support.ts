import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import forge from 'node-forge'

/** A certificate and its key, PEM, as files. */
export interface Issued {
  readonly certFile: string
  readonly keyFile: string
}

interface Keys {
  readonly publicKey: forge.pki.rsa.PublicKey
  readonly privateKey: forge.pki.rsa.PrivateKey
}

const DAY_MS = 86_400_000

/** An authority that issues certificates. */
export class Authority implements Issued {
  readonly certFile: string
  readonly keyFile: string
  readonly #directory: string
  readonly #keys = newKeys()
  readonly #certificate: forge.pki.Certificate

  /** @param name Of its files, and in its certificate. */
  constructor(directory: string, name: string) {
    this.#directory = directory
    this.certFile = join(directory, `${name}.pem`)
    this.keyFile = join(directory, `${name}.key`)
    this.#certificate = draft(this.#keys, name)
    this.#certificate.setIssuer(this.#certificate.subject.attributes)
    this.#certificate.setExtensions([{ name: 'basicConstraints', critical: true, cA: true }])
    this.#certificate.sign(this.#keys.privateKey, forge.md.sha256.create())
    write(this, this.#certificate, this.#keys)
  }

  /** @param hosts Host names and addresses that it is for. */
  issue(name: string, ...hosts: readonly string[]): Issued {
    const keys = newKeys()
    const certificate = draft(keys, name)
    certificate.setIssuer(this.#certificate.subject.attributes)
    const altNames = hosts.map((host) =>
      isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host },
    )
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames },
    ])
    certificate.sign(this.#keys.privateKey, forge.md.sha256.create())
    const issued = {
      certFile: join(this.#directory, `${name}.pem`),
      keyFile: join(this.#directory, `${name}.key`),
    }
    write(issued, certificate, keys)
    return issued
  }
}

export function pemOf({ certFile, keyFile }: Issued): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) }
}

// Node makes them in a tenth of the time that JavaScript takes.
function newKeys(): Keys {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const key = forge.pki.privateKeyFromPem(privateKey)
  return { privateKey: key, publicKey: forge.pki.setRsaPublicKey(key.n, key.e) }
}

function draft({ publicKey }: Keys, commonName: string): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = publicKey
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`
  certificate.validity.notBefore = new Date(Date.now() - 60_000)
  certificate.validity.notAfter = new Date(Date.now() + DAY_MS)
  certificate.setSubject([{ name: 'commonName', value: commonName }])
  return certificate
}

function write({ certFile, keyFile }: Issued, certificate: forge.pki.Certificate, keys: Keys): void {
  writeFileSync(keyFile, forge.pki.privateKeyToPem(keys.privateKey))
  writeFileSync(certFile, forge.pki.certificateToPem(certificate))
}
