import { expect, test } from 'vitest'
import { addressRecord, DnsServer } from '../../test-support/dns-server.test.support.js'
import { until } from '../../test-support/until.test.support.js'
import { DnsClient } from './client.js'

const never = new AbortController().signal

test('a question is taken back when the signal aborts', async () => {
  await using server = await DnsServer.start()
  server.fault = 'silence'
  const dns = new DnsClient({ servers: [server.address], timeoutMs: 60_000, tries: 1 })
  for (const ask of [
    (signal: AbortSignal) => dns.srv('orders.test', signal),
    (signal: AbortSignal) => dns.addresses('orders.test', [], signal),
  ]) {
    server.queries.length = 0
    const stop = new AbortController()
    const asked = ask(stop.signal)
    await until(() => server.queries.length > 0)
    stop.abort()
    await expect(asked).rejects.toMatchObject({ code: 'ECANCELLED' })
  }
})

test('silence ends after the tries, each with twice the time', async () => {
  await using server = await DnsServer.start()
  server.fault = 'silence'
  const dns = new DnsClient({ servers: [server.address], timeoutMs: 50, tries: 3 })
  await expect(dns.srv('orders.test', never)).rejects.toThrow(
    `DNS at ${server.address} gave no answer for SRV orders.test (ETIMEOUT)`,
  )
  await until(() => server.queries.length === 3)
  expect(server.queries).toEqual(Array(3).fill('SRV orders.test'))
})

test('the next server is asked where one does not answer, or cannot', async () => {
  await using silent = await DnsServer.start()
  await using broken = await DnsServer.start()
  await using good = await DnsServer.start()
  silent.fault = 'silence'
  broken.fault = 'SERVFAIL'
  good.set('A orders.test', [addressRecord('orders.test', '10.0.0.1', 7)])
  const servers = [silent.address, broken.address, good.address]
  const dns = new DnsClient({ servers, timeoutMs: 1500, tries: 1 })
  expect(await dns.addresses('orders.test', [], never)).toEqual({ addresses: ['10.0.0.1'], ttlMs: 7000 })
})

test('an answer is not kept for the next question', async () => {
  await using server = await DnsServer.start()
  const dns = new DnsClient({ servers: [server.address], timeoutMs: 1000, tries: 1 })
  for (const address of ['10.0.0.1', '10.0.0.2']) {
    server.set('A orders.test', [addressRecord('orders.test', address, 3600)])
    expect((await dns.addresses('orders.test', [], never)).addresses).toEqual([address])
  }
})
