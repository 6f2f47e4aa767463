import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { asError, reasonOf } from '../errors.js'

/** Where keys and certificates are; PEM. */
export interface TlsFileOptions {
  readonly caFile: string | undefined
  /** A folder of certificates of authorities. */
  readonly caPath: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  /** The name that the certificate must be for, where it is not the address's. */
  readonly serverName: string | undefined
  /** `false`: any certificate will do. */
  readonly verify: boolean
}

/** What files said at one moment, as Node's TLS takes it. */
export interface TlsMaterial {
  readonly secureContext: SecureContext
  readonly servername?: string
  readonly rejectUnauthorized: boolean
}

/** Keys and certificates that may be replaced at any time: rotated ones count from the next connection on. */
export class TlsFiles {
  readonly #options: TlsFileOptions
  #version: string | undefined
  #material: TlsMaterial | undefined
  #looking: Promise<TlsMaterial> | undefined

  constructor(options: TlsFileOptions) {
    this.#options = options
  }

  /**
   * What counts now: the same object as long as no file has changed. Files that cannot be read or do not belong
   * together, as they are just being replaced, leave what was read before in force.
   *
   * @throws Error naming the file, when nothing has been read before.
   */
  current(): Promise<TlsMaterial> {
    // Together with those who ask meanwhile, so that all of them get the same object.
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  async #look(): Promise<TlsMaterial> {
    try {
      const version = await this.#stamp()
      if (this.#material === undefined || version !== this.#version) {
        this.#material = await this.#read()
        this.#version = version
      }
    } catch (error) {
      if (this.#material === undefined) throw error
    }
    return this.#material
  }

  /** Changes whenever a file does. */
  async #stamp(): Promise<string> {
    const stamps: string[] = []
    for (const path of await this.#paths()) {
      // The inode as well: a file that is moved into place may be as old and as long as the one before.
      const { ino, mtimeMs, size } = await stat(path).catch((error: unknown) => unreadable(path, error))
      stamps.push(`${path} ${ino} ${mtimeMs} ${size}`)
    }
    return stamps.join('\n')
  }

  async #paths(): Promise<readonly string[]> {
    const { certFile, keyFile } = this.#options
    return [...(await this.#authorities()), ...[certFile, keyFile].filter((path) => path !== undefined)]
  }

  async #authorities(): Promise<readonly string[]> {
    const { caFile, caPath } = this.#options
    const file = caFile === undefined ? [] : [caFile]
    if (caPath === undefined) return file
    const names = await readdir(caPath).catch((error: unknown) => unreadable(caPath, error))
    const found = names.filter((name) => /\.(?:pem|crt|cer)$/.test(name)).sort()
    // None would mean all that Node trusts by itself, which is not what was configured.
    if (found.length === 0) throw new Error(`the TLS folder ${caPath} holds no .pem, .crt or .cer file`)
    return [...file, ...found.map((name) => join(caPath, name))]
  }

  async #read(): Promise<TlsMaterial> {
    const { certFile, keyFile, serverName, verify } = this.#options
    const ca = await Promise.all((await this.#authorities()).map(readAuthority))
    const cert = certFile === undefined ? undefined : await read(certFile)
    const key = keyFile === undefined ? undefined : await read(keyFile)
    return {
      secureContext: contextOf(
        // No authority at all: those that Node trusts by itself.
        { ...(ca.length === 0 ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) },
        `${String(certFile)} and ${String(keyFile)}`,
      ),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: verify,
    }
  }
}

/** OpenSSL rejects a certificate that is not whole, and a key that is not its own. */
function contextOf(options: SecureContextOptions, names: string): SecureContext {
  try {
    return createSecureContext(options)
  } catch (error) {
    throw new Error(`the TLS files ${names} are not a certificate and its key: ${reasonOf(asError(error))}`, {
      cause: error,
    })
  }
}

/** OpenSSL takes what it can read of authorities without a word, so they are looked at here. */
async function readAuthority(path: string): Promise<Buffer> {
  const pem = await read(path)
  try {
    const text = pem.toString('latin1')
    const begun = text.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/g) ?? []
    const whole = text.match(/-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[^-]*-----END \1-----/g) ?? []
    if (begun.length === 0 || begun.length !== whole.length) throw new Error('a certificate is incomplete')
    for (const certificate of whole) new X509Certificate(certificate)
  } catch (error) {
    throw new Error(`the TLS file ${path} holds no certificates in PEM: ${reasonOf(asError(error))}`, {
      cause: error,
    })
  }
  return pem
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => unreadable(path, error))
}

function unreadable(path: string, error: unknown): never {
  throw new Error(`the TLS file ${path} cannot be read: ${reasonOf(asError(error))}`, { cause: error })
}
