import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from './authority.test.support.js'
import { TlsFiles } from './tls-files.js'
import { Transport } from './transport.js'

let folder: string
let caFile: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-transport-'))
  caFile = join(folder, 'ca.pem')
  await copyFile(new Authority(folder, 'first').certFile, caFile)
})

afterEach(() => rm(folder, { recursive: true }))

// Nothing connects before its first request, so that nothing needs to listen there.
function transportTo(address: string): Transport {
  const none = { caPath: undefined, certFile: undefined, keyFile: undefined, serverName: undefined }
  return new Transport(address, new TlsFiles({ ...none, caFile, verify: true }))
}

test('what became free last is used first, and what was not read to its end never again', async () => {
  const transport = transportTo('http://127.0.0.1:1')
  const [a, b, c] = [await transport.take(), await transport.take(), await transport.take()]
  transport.release(a, true)
  transport.release(b, true)
  transport.release(c, false)
  expect(c.destroyed).toBe(true)
  expect([await transport.take(), await transport.take()]).toEqual([b, a])
  expect([a, b]).not.toContain(await transport.take())
})

test('new certificates: idle connections end at once, and busy ones with their answer', async () => {
  const transport = transportTo('https://127.0.0.1:1')
  const [idle, busy] = [await transport.take(), await transport.take()]
  transport.release(idle, true)
  await copyFile(new Authority(folder, 'second').certFile, caFile)
  const fresh = await transport.take()
  expect(fresh).not.toBe(idle)
  expect([idle.destroyed, busy.destroyed]).toEqual([true, false])
  transport.release(busy, true)
  transport.release(fresh, true)
  expect([busy.destroyed, fresh.destroyed]).toEqual([true, false])
  expect(await transport.take()).toBe(fresh)
})

test('those who ask at once for the first time share what was read', async () => {
  const transport = transportTo('https://127.0.0.1:1')
  const taken = await Promise.all([transport.take(), transport.take(), transport.take()])
  for (const client of taken) transport.release(client, true)
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([false, false, false])
})
