import { createPrivateKey, X509Certificate } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { TlsFiles } from './agent-access.js'
import { CertificateAuthority } from './certificates.js'

async function read({
  caFile,
  certFile,
}: TlsFiles): Promise<{ ca: X509Certificate; certificate: X509Certificate }> {
  return {
    ca: new X509Certificate(await readFile(caFile)),
    certificate: new X509Certificate(await readFile(certFile)),
  }
}

test('a certificate is signed by its authority, serves the hosts and fits its key', async () => {
  await using authority = await CertificateAuthority.create()
  const files = await authority.issue('server', { hosts: ['127.0.0.1', 'localhost'] })
  const { ca, certificate } = await read(files)
  expect(ca.ca).toBe(true)
  expect(certificate.ca).toBe(false)
  expect(certificate.checkIssued(ca)).toBe(true)
  expect(certificate.verify(ca.publicKey)).toBe(true)
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(certificate.checkHost('localhost')).toBe('localhost')
  expect(certificate.checkHost('elsewhere')).toBeUndefined()
  expect(certificate.checkPrivateKey(createPrivateKey(await readFile(files.keyFile)))).toBe(true)
})

test('two authorities do not vouch for one another', async () => {
  await using one = await CertificateAuthority.create()
  await using other = await CertificateAuthority.create()
  const { certificate } = await read(await one.issue('client'))
  const { ca } = await read(await other.issue('client'))
  expect(certificate.checkIssued(ca)).toBe(false)
  expect(certificate.verify(ca.publicKey)).toBe(false)
})

test('issued again, key and certificate take the place of those before', async () => {
  await using authority = await CertificateAuthority.create()
  const before = await read(await authority.issue('client'))
  const files = await authority.issue('client')
  const after = await read(files)
  expect(after.certificate.serialNumber).not.toBe(before.certificate.serialNumber)
  expect(after.certificate.checkPrivateKey(createPrivateKey(await readFile(files.keyFile)))).toBe(true)
})

test('a certificate lasts as long as is asked', async () => {
  await using authority = await CertificateAuthority.create()
  const { certificate } = await read(await authority.issue('client', { validForMs: 5_000 }))
  const leftMs = Date.parse(certificate.validTo) - Date.now()
  expect(leftMs).toBeGreaterThan(2_000)
  expect(leftMs).toBeLessThanOrEqual(5_000)
})

test('the folder goes with the authority', async () => {
  const authority = await CertificateAuthority.create()
  const { folder } = authority
  await authority[Symbol.asyncDispose]()
  await expect(access(folder)).rejects.toThrow('ENOENT')
})
