import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
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
export interface TlsMaterial extends SecureContextOptions {
  readonly servername?: string
  readonly rejectUnauthorized: boolean
}

/** Keys and certificates that may be replaced at any time: rotated ones count from the next connection on. */
export class TlsFiles {
  readonly #options: TlsFileOptions
  #version: string | undefined
  #material: TlsMaterial | undefined

  constructor(options: TlsFileOptions) {
    this.#options = options
  }

  /**
   * What counts now: the same object as long as no file has changed. Files that cannot be read, as they are just
   * being replaced, leave what was read before in force.
   *
   * @throws Error naming the file, when nothing has been read before.
   */
  async current(): Promise<TlsMaterial> {
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
    const { caFile, certFile, keyFile } = this.#options
    return [
      ...(await this.#authorities()),
      ...[caFile, certFile, keyFile].filter((path) => path !== undefined),
    ]
  }

  async #authorities(): Promise<readonly string[]> {
    const { caPath } = this.#options
    if (caPath === undefined) return []
    const names = await readdir(caPath).catch((error: unknown) => unreadable(caPath, error))
    return names
      .filter((name) => /\.(?:pem|crt|cer)$/.test(name))
      .sort()
      .map((name) => join(caPath, name))
  }

  async #read(): Promise<TlsMaterial> {
    const { caFile, certFile, keyFile, serverName, verify } = this.#options
    const ca = await Promise.all(
      [...(caFile === undefined ? [] : [caFile]), ...(await this.#authorities())].map(read),
    )
    return {
      // None at all: those that Node trusts by itself.
      ...(ca.length === 0 ? {} : { ca }),
      ...(certFile === undefined ? {} : { cert: await read(certFile) }),
      ...(keyFile === undefined ? {} : { key: await read(keyFile) }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: verify,
    }
  }
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => unreadable(path, error))
}

function unreadable(path: string, error: unknown): never {
  throw new Error(`the TLS file ${path} cannot be read: ${reasonOf(asError(error))}`, { cause: error })
}
