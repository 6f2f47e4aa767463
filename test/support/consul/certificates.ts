import { generateKeyPair, randomBytes } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import forge from 'node-forge'
import { TempFolder } from '../temp-folder.js'
import type { TlsFiles } from './agent-access.js'

// Longer than any run of tests.
const dayMs = 86_400_000
// The clock of a container may lag behind ours.
const backdateMs = 60_000

interface KeyPair {
  readonly publicKey: forge.pki.rsa.PublicKey
  readonly privateKey: forge.pki.rsa.PrivateKey
}

interface Signer {
  readonly keys: KeyPair
  readonly certificate: forge.pki.Certificate
}

export interface IssueOptions {
  /** DNS names and IP addresses that the holder serves at. A client needs none. */
  readonly hosts?: readonly string[]
  /** @defaultValue a day. Certificates know whole seconds. */
  readonly validForMs?: number
}

/** A certificate authority of one test, with a folder for all that it issues. */
export class CertificateAuthority implements AsyncDisposable {
  /** The authority's own certificate, PEM; beside it the one before, from {@link renew} to {@link forget}. */
  readonly caFile: string
  readonly #folder: TempFolder
  #signer: Signer

  private constructor(folder: TempFolder, signer: Signer) {
    this.#folder = folder
    this.#signer = signer
    this.caFile = join(folder.path, 'ca.pem')
  }

  static async create(): Promise<CertificateAuthority> {
    const signer = await newSigner()
    const folder = await TempFolder.create('fairlead-consul-tls-')
    const authority = new CertificateAuthority(folder, signer)
    await authority.#trust(signer)
    return authority
  }

  /** Takes another key and another name, and signs by those from now on. Who trusts it trusts the old as well. */
  async renew(): Promise<void> {
    const before = this.#signer
    this.#signer = await newSigner()
    await this.#trust(this.#signer, before)
  }

  /** Ends the trust in what was signed before {@link renew}. */
  async forget(): Promise<void> {
    await this.#trust(this.#signer)
  }

  get folder(): string {
    return this.#folder.path
  }

  /**
   * Makes a key and a certificate that serves clients and servers alike, in `<name>.pem` and `<name>-key.pem`.
   * Issued again under the same name, they take the place of those before: a rotation.
   */
  async issue(name: string, { hosts = [], validForMs = dayMs }: IssueOptions = {}): Promise<TlsFiles> {
    const keys = await newKeys()
    const certificate = draft(keys, name, validForMs)
    certificate.setIssuer(this.#signer.certificate.subject.attributes)
    certificate.setExtensions([
      { name: 'basicConstraints', critical: true, cA: false },
      { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      ...(hosts.length === 0 ? [] : [{ name: 'subjectAltName', altNames: hosts.map(alternativeName) }]),
    ])
    certificate.sign(this.#signer.keys.privateKey, forge.md.sha256.create())
    const certFile = join(this.folder, `${name}.pem`)
    const keyFile = join(this.folder, `${name}-key.pem`)
    await replace(keyFile, forge.pki.privateKeyToPem(keys.privateKey))
    await replace(certFile, forge.pki.certificateToPem(certificate))
    return { caFile: this.caFile, certFile, keyFile }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]()
  }

  async #trust(...signers: readonly Signer[]): Promise<void> {
    const certificates = signers.map(({ certificate }) => forge.pki.certificateToPem(certificate))
    await replace(this.caFile, certificates.join(''))
  }
}

// Names of authorities differ, so that a chain to another of the same name is not even tried.
async function newSigner(): Promise<Signer> {
  const keys = await newKeys()
  const certificate = draft(keys, `Fairlead test authority ${randomBytes(4).toString('hex')}`, dayMs)
  certificate.setIssuer(certificate.subject.attributes)
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ])
  certificate.sign(keys.privateKey, forge.md.sha256.create())
  return { keys, certificate }
}

function draft({ publicKey }: KeyPair, commonName: string, validForMs: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = publicKey
  // RFC 5280, 4.1.2.2: positive, unique for the issuer, at most 20 octets.
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`
  const now = Date.now()
  certificate.validity.notBefore = new Date(now - backdateMs)
  certificate.validity.notAfter = new Date(now + validForMs)
  certificate.setSubject([{ name: 'commonName', value: commonName }])
  return certificate
}

// Node makes them in a tenth of the time that JavaScript takes.
async function newKeys(): Promise<KeyPair> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const key = forge.pki.privateKeyFromPem(privateKey)
  return { privateKey: key, publicKey: forge.pki.setRsaPublicKey(key.n, key.e) }
}

// The numbers are those of GeneralName, RFC 5280, 4.2.1.6.
function alternativeName(host: string): { type: number; ip: string } | { type: number; value: string } {
  return isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host }
}

// By renaming, so that no reader sees half a file.
async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content)
  await rename(`${file}.new`, file)
}
