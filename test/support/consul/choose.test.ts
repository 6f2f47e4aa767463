import { expect, test } from 'vitest'
import { allKinds, chooseConsul, type Probes } from './choose.js'

const none: Probes = {
  image: () => Promise.reject(new Error('no Docker engine answers')),
  path: () => Promise.reject(new Error('no consul on the PATH')),
  debian: () => Promise.reject(new Error('this machine has no\napt-get')),
  built: () => Promise.reject(new Error('Consul 1.13.9 has not been built')),
}
const all: Probes = {
  image: () => Promise.resolve(),
  path: () => Promise.resolve('/usr/bin/consul'),
  debian: () => Promise.resolve('/cache/consul'),
  built: () => Promise.resolve('/built/consul'),
}

test('an agent that is named comes first', async () => {
  const source = await chooseConsul(allKinds, { CONSUL_HTTP_ADDR: '127.0.0.1:8500/' }, all)
  expect(source).toEqual({ kind: 'external', address: 'http://127.0.0.1:8500' })
})

test('then a container, of the image that is named', async () => {
  expect(await chooseConsul(allKinds, {}, all)).toEqual({ kind: 'container', image: 'hashicorp/consul' })
  const named = await chooseConsul(allKinds, { FAIRLEAD_CONSUL_IMAGE: 'local/consul:1' }, all)
  expect(named).toEqual({ kind: 'container', image: 'local/consul:1' })
})

test('then the binary of the PATH, then the one of Debian', async () => {
  const onPath = await chooseConsul(allKinds, {}, { ...all, image: none.image })
  expect(onPath).toEqual({ kind: 'process', binary: '/usr/bin/consul' })
  const debian = await chooseConsul(allKinds, {}, { ...none, debian: all.debian })
  expect(debian).toEqual({ kind: 'process', binary: '/cache/consul' })
})

test('FAIRLEAD_CONSUL_VERSION asks for one of two, whatever else is there', async () => {
  const of = (version: string): ReturnType<typeof chooseConsul> =>
    chooseConsul(['process'], { FAIRLEAD_CONSUL_VERSION: version }, all)
  expect(await of('1.8.7')).toEqual({ kind: 'process', binary: '/cache/consul' })
  expect(await of('1.13.9')).toEqual({ kind: 'process', binary: '/built/consul' })
  expect(await of('')).toEqual({ kind: 'process', binary: '/usr/bin/consul' })
  await expect(of('1.22.0')).rejects.toThrow(
    "no Consul here (process: FAIRLEAD_CONSUL_VERSION is '1.22.0', and must be one of 1.8.7, 1.13.9)",
  )
  await expect(chooseConsul(['process'], { FAIRLEAD_CONSUL_VERSION: '1.13.9' }, none)).rejects.toThrow(
    'no Consul here (process: Consul 1.13.9 has not been built)',
  )
})

test('the caller narrows and orders the kinds', async () => {
  const own = await chooseConsul(['process', 'container'], { CONSUL_HTTP_ADDR: '127.0.0.1:8500' }, all)
  expect(own.kind).toBe('process')
})

test('FAIRLEAD_CONSUL forces one kind, and nothing else is tried', async () => {
  const forced = await chooseConsul(allKinds, { FAIRLEAD_CONSUL: 'process' }, all)
  expect(forced.kind).toBe('process')
  await expect(chooseConsul(allKinds, { FAIRLEAD_CONSUL: 'external' }, all)).rejects.toThrow(
    'no Consul here (external: CONSUL_HTTP_ADDR is not set)',
  )
})

test('a bad FAIRLEAD_CONSUL is an error that names the allowed values', async () => {
  await expect(chooseConsul(allKinds, { FAIRLEAD_CONSUL: 'docker' }, all)).rejects.toThrow(
    "FAIRLEAD_CONSUL is 'docker', and must be one of external, container, process",
  )
  await expect(chooseConsul(['process'], { FAIRLEAD_CONSUL: 'container' }, all)).rejects.toThrow(
    "FAIRLEAD_CONSUL is 'container', but what runs here takes only process",
  )
})

test('none at all is one line that says what was tried and what to install', async () => {
  const error = await chooseConsul(allKinds, {}, none).catch(String)
  expect(error).toBe(
    'Error: no Consul here (external: CONSUL_HTTP_ADDR is not set; container: no Docker engine answers; ' +
      'process: no consul on the PATH, this machine has no apt-get): install Docker, or Consul from ' +
      'https://developer.hashicorp.com/consul/install, or set CONSUL_HTTP_ADDR to an agent that runs',
  )
})
