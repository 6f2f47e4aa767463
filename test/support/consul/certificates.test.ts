import { createPrivateKey, X509Certificate } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { CertificateAuthority } from './certificates.js'

let authority: CertificateAuthority
let ca: X509Certificate
beforeAll(async () => {
  authority = await CertificateAuthority.create()
  ca = await read(authority.caFile)
  return () => authority[Symbol.asyncDispose]()
}, 30_000)

// A key takes a tenth of a second to find, and now and then ten times that; a machine may be busy besides.
const timeout = 30_000

test('a certificate is signed by its authority, serves the hosts and fits its key', { timeout }, async () => {
  const { certFile, keyFile } = await authority.issue('server', { hosts: ['127.0.0.1', 'localhost'] })
  const certificate = await read(certFile)
  expect(ca.ca).toBe(true)
  expect(certificate.ca).toBe(false)
  expect(certificate.checkIssued(ca)).toBe(true)
  expect(certificate.verify(ca.publicKey)).toBe(true)
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(certificate.checkHost('localhost')).toBe('localhost')
  expect(certificate.checkHost('elsewhere')).toBeUndefined()
  expect(certificate.checkPrivateKey(createPrivateKey(await readFile(keyFile)))).toBe(true)
})

test('issued again, key and certificate take the place of those before', { timeout }, async () => {
  const files = await authority.issue('client')
  const before = await read(files.certFile)
  expect(await authority.issue('client')).toEqual(files)
  const after = await read(files.certFile)
  expect(after.serialNumber).not.toBe(before.serialNumber)
  expect(after.checkPrivateKey(createPrivateKey(await readFile(files.keyFile)))).toBe(true)
})

test('a certificate lasts as long as is asked', { timeout }, async () => {
  const { certFile } = await authority.issue('brief', { validForMs: 60_000 })
  const leftMs = Date.parse((await read(certFile)).validTo) - Date.now()
  expect(leftMs).toBeGreaterThan(20_000)
  expect(leftMs).toBeLessThanOrEqual(60_000)
})

test('another authority does not vouch for it, and takes its folder with it', { timeout }, async () => {
  const other = await CertificateAuthority.create()
  const certificate = await read((await authority.issue('client')).certFile)
  const { publicKey } = await read(other.caFile)
  expect(certificate.verify(publicKey)).toBe(false)
  await other[Symbol.asyncDispose]()
  await expect(access(other.folder)).rejects.toThrow('ENOENT')
})

test(
  'renewed, it signs by another key, and vouches for what it signed before until it forgets',
  { timeout },
  async () => {
    await using other = await CertificateAuthority.create()
    const [before, old] = [await read(other.caFile), await read((await other.issue('old')).certFile)]
    await other.renew()
    const both = await readFile(other.caFile, 'utf8')
    const after = await read(other.caFile)
    const fresh = await read((await other.issue('fresh')).certFile)
    expect(fresh.checkIssued(after)).toBe(true)
    expect(fresh.verify(after.publicKey)).toBe(true)
    expect(fresh.verify(before.publicKey)).toBe(false)
    expect(old.verify(after.publicKey)).toBe(false)
    expect(both).toContain(pem(before))
    await other.forget()
    expect(await readFile(other.caFile, 'utf8')).toBe(both.replace(pem(before), ''))
  },
)

/** As it stands in a file that OpenSSL, or what imitates it, has written. */
function pem(certificate: X509Certificate): string {
  return certificate.toString().replaceAll('\n', '\r\n')
}

async function read(file: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(file))
}
