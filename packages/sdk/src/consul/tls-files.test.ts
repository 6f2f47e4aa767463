import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { Authority } from './authority.test.support.js'
import { TlsFiles, type TlsFileOptions } from './tls-files.js'

const base = mkdtempSync(join(tmpdir(), 'fairlead-tls-files-'))
afterAll(() => rmSync(base, { recursive: true }))

const authority = new Authority(base, 'authority')
const other = new Authority(base, 'other')
const first = authority.issue('first', 'localhost')
const second = authority.issue('second', 'localhost')

let folder: string
let caFile: string
let certFile: string
let keyFile: string

beforeEach(() => {
  folder = mkdtempSync(join(base, 'test-'))
  caFile = join(folder, 'ca.pem')
  certFile = join(folder, 'client.pem')
  keyFile = join(folder, 'client.key')
  copyFileSync(authority.certFile, caFile)
  copyFileSync(first.certFile, certFile)
  copyFileSync(first.keyFile, keyFile)
})

function files(options: Partial<TlsFileOptions>): TlsFiles {
  return new TlsFiles({
    caFile: undefined,
    caPath: undefined,
    certFile: undefined,
    keyFile: undefined,
    serverName: undefined,
    verify: true,
    ...options,
  })
}

/** As tools that rotate certificates do it: written beside, and moved into place. */
function replace(path: string, content: Buffer | string): void {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

test('no files: those whom Node trusts, verified', async () => {
  const material = await files({}).current()
  expect(Object.keys(material)).toEqual(['secureContext', 'rejectUnauthorized'])
  expect(material.rejectUnauthorized).toBe(true)
})

test('hands on the name, and whether to verify', async () => {
  expect(await files({ serverName: 'server.dc1.consul', verify: false }).current()).toMatchObject({
    servername: 'server.dc1.consul',
    rejectUnauthorized: false,
  })
})

test('is the same object while no file has changed, also for those who ask at once', async () => {
  const tls = files({ caFile, certFile, keyFile })
  const [one, two] = await Promise.all([tls.current(), tls.current()])
  expect(two).toBe(one)
  expect(await tls.current()).toBe(one)
})

test('is another object once any of them has', async () => {
  const tls = files({ caFile, certFile, keyFile })
  let before = await tls.current()
  const changes: readonly (() => void)[] = [
    () => replace(caFile, readFileSync(other.certFile)),
    () => appendFileSync(caFile, readFileSync(authority.certFile)),
    () => {
      replace(certFile, readFileSync(second.certFile))
      replace(keyFile, readFileSync(second.keyFile))
    },
  ]
  for (const change of changes) {
    change()
    const after = await tls.current()
    expect(after).not.toBe(before)
    before = after
  }
})

test('a file that is as long and as old as the one before counts as another one', async () => {
  const tls = files({ caFile })
  const before = await tls.current()
  const text = readFileSync(caFile, 'latin1')
  const when = new Date(2_000_000_000_000)
  utimesSync(caFile, when, when)
  const dated = await tls.current()
  expect(dated).not.toBe(before)
  writeFileSync(`${caFile}.new`, text)
  utimesSync(`${caFile}.new`, when, when)
  renameSync(`${caFile}.new`, caFile)
  expect(await tls.current()).not.toBe(dated)
})

test('what is just being written leaves the old in force, until it is whole', async () => {
  const tls = files({ caFile, certFile, keyFile })
  const before = await tls.current()
  const half = (path: string): string => readFileSync(path, 'latin1').slice(0, 200)
  const steps: readonly (() => void)[] = [
    () => writeFileSync(certFile, half(second.certFile)),
    // The new certificate with the old key.
    () => writeFileSync(certFile, readFileSync(second.certFile)),
    () => writeFileSync(keyFile, half(second.keyFile)),
    () => rmSync(keyFile),
    () => writeFileSync(caFile, half(other.certFile)),
    () => writeFileSync(caFile, ''),
  ]
  for (const step of steps) {
    step()
    expect(await tls.current()).toBe(before)
  }
  writeFileSync(keyFile, readFileSync(second.keyFile))
  writeFileSync(caFile, readFileSync(other.certFile))
  const after = await tls.current()
  expect(after).not.toBe(before)
  expect(await tls.current()).toBe(after)
})

test('a folder holds authorities, of which some come and go', async () => {
  const caPath = join(folder, 'authorities')
  mkdirSync(caPath)
  const tls = files({ caPath })
  await expect(tls.current()).rejects.toThrow(`the TLS folder ${caPath} holds no .pem, .crt or .cer file`)
  writeFileSync(join(caPath, 'README'), 'not one of them')
  await expect(tls.current()).rejects.toThrow('holds no')
  copyFileSync(authority.certFile, join(caPath, 'one.pem'))
  const before = await tls.current()
  copyFileSync(other.certFile, join(caPath, 'two.crt'))
  const after = await tls.current()
  expect(after).not.toBe(before)
  rmSync(join(caPath, 'one.pem'))
  rmSync(join(caPath, 'two.crt'))
  expect(await tls.current()).toBe(after)
})

test.each<[string, (path: string) => void, RegExp]>([
  ['is missing', (path) => rmSync(path), /the TLS file .*cannot be read: ENOENT/],
  [
    'is a folder',
    (path) => {
      rmSync(path)
      mkdirSync(path)
    },
    /the TLS file .*cannot be read: EISDIR/,
  ],
  [
    'is empty',
    (path) => writeFileSync(path, ''),
    /ca\.pem holds no certificates in PEM: a certificate is incomplete/,
  ],
  ['is no PEM', (path) => writeFileSync(path, 'hello'), /ca\.pem holds no certificates in PEM/],
  [
    'ends in the middle of its second one',
    (path) => appendFileSync(path, '-----BEGIN CERTIFICATE-----\nMIIB'),
    /a certificate is incomplete/,
  ],
  [
    'is garbled',
    (path) => writeFileSync(path, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
    /ca\.pem holds no certificates in PEM/,
  ],
])('an authority that %s is named', async (_, spoil, message) => {
  spoil(caFile)
  await expect(files({ caFile }).current()).rejects.toThrow(message)
})

test('a key that is not its certificate’s is named', async () => {
  copyFileSync(second.keyFile, keyFile)
  await expect(files({ certFile, keyFile }).current()).rejects.toThrow(
    new RegExp(
      `the TLS files ${certFile} and ${keyFile} are not a certificate and its key: .*key values mismatch`,
    ),
  )
})

test('what could not be read at first is read once it can be', async () => {
  rmSync(certFile)
  const tls = files({ caFile, certFile, keyFile })
  await expect(tls.current()).rejects.toThrow(`the TLS file ${certFile} cannot be read`)
  copyFileSync(first.certFile, certFile)
  await expect(tls.current()).resolves.toMatchObject({ rejectUnauthorized: true })
})
