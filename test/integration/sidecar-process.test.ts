import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { describe, expect, inject, test } from 'vitest'
import { startAgentProxy } from '../support/agent-proxy.js'
import { built, Child } from '../support/child.js'
import { TestService } from '../support/consul/test-service.js'
import { freePorts } from '../support/free-ports.js'
import { startHttpServer } from '../support/http-server.js'
import { startLoad } from '../support/load.js'
import { eventually } from '../support/poll.js'
import { runSidecar, startSidecarProcess, untilReadyz } from '../support/sidecar-process.js'

const agent = inject('consul').address

describe('the command line', () => {
  test('--help says what it is, how to name a service, and what its answers mean', async () => {
    await using child = runSidecar(['--help'])
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(child.stderr).toBe('')
    for (const told of [
      'Usage: npx @fairlead/sidecar [options]',
      '--listen <host:port>',
      '127.0.0.1:4140',
      '--admin <host:port>',
      '127.0.0.1:4191',
      "curl -H 'Host: orders'",
      'fairlead-service: orders',
      '503 NO_ENDPOINTS',
      '/readyz',
      'SIGTERM',
    ]) {
      expect(child.stdout).toContain(told)
    }
  })

  test.for([
    ['--help', '', 0],
    ['--help', '2>&1', 0],
    ['--lissten', '2>&1', 1],
  ] as const)('%s whose reader has gone (%s) ends as it does with one', async ([flag, redirect, code]) => {
    const program = built('packages/sidecar/dist/main.js')
    const script = `"$0" "$1" ${flag} ${redirect} | true; exit "\${PIPESTATUS[0]}"`
    await using child = new Child('bash', ['-c', script, process.execPath, program])
    expect(await child.ended).toEqual({ code, signal: null })
    expect(child.stderr).toBe('')
  })

  test('a sidecar whose log has lost its reader serves on, and drains as any other', async () => {
    const args = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--consul', agent]
    // The first line goes on to us, and then its reader ends.
    const script = `"$0" "$@" > >(head -n 1 >&2)`
    await using child = new Child('bash', [
      '-c',
      `exec ${script}`,
      process.execPath,
      built('packages/sidecar/dist/main.js'),
      ...args,
    ])
    const line = await eventually(() => /^\{.*"address":.*$/m.exec(child.stderr)?.[0], {
      what: 'its first line',
    })
    const { address, admin } = JSON.parse(line) as { address: string; admin: string }
    for (let request = 0; request < 3; request++) {
      const response = await fetch(address, { headers: { 'fairlead-service': `gone-${request}` } })
      expect(response.status).toBe(503)
      await response.text()
    }
    expect((await fetch(`${admin}/healthz`)).status).toBe(200)
    expect(child.running).toBe(true)
    const sentAt = performance.now()
    child.signal('SIGTERM')
    expect(await child.ended).toEqual({ code: 0, signal: null })
    // Well before --drain-timeout, 30 s.
    expect(performance.now() - sentAt).toBeLessThan(15_000)
  })

  test('--version is that of the package', async () => {
    await using child = runSidecar(['--version'])
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(child.stdout).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test.for<[string[], RegExp]>([
    [['--lissten', '127.0.0.1:4140'], /unknown option '--lissten'/],
    [['--listen', 'nowhere'], /--listen.*'nowhere' is invalid\. It must be host:port/],
    [['--admin', '127.0.0.1:99999'], /--admin.*'127\.0\.0\.1:99999' is invalid/],
    [['--balancer', 'best'], /--balancer.*'best' is invalid.*peak_ewma/],
    [
      ['--hash-on', 'header:a,user'],
      /--hash-on.*'header:a,user' is invalid\. It must be header:NAME.*"user"/,
    ],
    [['--timeout', 'soon'], /--timeout.*'soon' is invalid.*whole number/],
    [['--consul', 'ftp://x'], /consul\.address is 'ftp:\/\/x': it must be/],
    [['--service', 'or ders'], /service is 'or ders': it must be/],
    [['orders'], /too many arguments/],
  ])('%j is refused with the reason', async ([args, said]) => {
    const listen = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']
    await using child = runSidecar([...listen, ...args])
    expect(await child.ended).toEqual({ code: 1, signal: null })
    expect(child.stderr).toMatch(said)
    expect(child.stderr).not.toMatch(/\n\s+at /)
  })

  test('a variable of the environment stands in for an option', async () => {
    await using child = runSidecar([], { ...process.env, FAIRLEAD_BALANCER: 'best' })
    expect(await child.ended).toEqual({ code: 1, signal: null })
    expect(child.stderr).toMatch(/FAIRLEAD_BALANCER.*best|'best'.*FAIRLEAD_BALANCER/)
  })

  test.for(['--listen', '--admin'])('a port in use at %s is said so', async (option) => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const taken = `127.0.0.1:${(holder.address() as AddressInfo).port}`
    const other = option === '--listen' ? '--admin' : '--listen'
    await using child = runSidecar([option, taken, other, '127.0.0.1:0', '--consul', agent])
    expect(await child.ended).toEqual({ code: 1, signal: null })
    expect(child.stderr).toBe(
      `fairlead-sidecar: ${option} ${taken} is in use by another process: stop that process, or choose another port\n`,
    )
    holder.close()
  })
})

describe('the admin address', () => {
  test('/healthz at once, /readyz when the first snapshot is in, 503 again while draining', async () => {
    await using service = new TestService(agent)
    let release = (): void => undefined
    await using server = await startHttpServer((_request, response) => {
      release = () => response.end('late')
    })
    await service.add('a', { port: server.port })
    const [port = 0] = await freePorts(1)
    await using sidecar = await startSidecarProcess(`http://127.0.0.1:${port}`, ['--service', service.name])
    expect((await fetch(`${sidecar.admin}/healthz`)).status).toBe(200)
    expect(await untilReadyz(sidecar, 503)).toEqual({
      ready: false,
      draining: false,
      waiting: [service.name],
    })

    await using proxy = await startAgentProxy(agent, port)
    expect(await untilReadyz(sidecar, 200)).toEqual({ ready: true, draining: false, waiting: [] })
    expect(proxy.queries.some(({ path }) => path.includes(service.name))).toBe(true)
    const answer = await fetch(`${sidecar.admin}/endpoints`)
    expect(await answer.json()).toMatchObject({
      services: [{ service: service.name, freshness: 'fresh', endpoints: [{ origin: server.origin }] }],
    })

    const pool = new Pool(sidecar.address)
    const pending = pool.request({ path: '/', method: 'GET', headers: { host: service.name } })
    await eventually(() => server.requests === 1, { what: 'the request at the instance' })
    sidecar.child.signal('SIGTERM')
    expect(await untilReadyz(sidecar, 503)).toEqual({ ready: false, draining: true, waiting: [] })
    release()
    expect(await (await pending).body.text()).toBe('late')
    expect(await sidecar.child.ended).toEqual({ code: 0, signal: null })
    await pool.destroy()
  })
})

describe('a client in another language', () => {
  // Of the standard library alone: both of its clients, keep-alive, a body, an error of the proxy's own.
  const program = `
import http.client, json, sys, urllib.error, urllib.request
host, service = sys.argv[1:3]
connection = http.client.HTTPConnection(host, timeout=10)
for index in range(20):
    connection.request('GET', '/v1/%d?q=1' % index, headers={'Host': service})
    response = connection.getresponse()
    assert response.status == 200, response.status
    assert json.load(response)['url'] == '/v1/%d?q=1' % index
connection.request('POST', '/', body=b'x' * 200000, headers={'fairlead-service': service})
assert json.load(connection.getresponse())['length'] == 200000
connection.close()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'http': 'http://' + host}))
with opener.open('http://%s.service.consul/by/proxy' % service, timeout=10) as response:
    assert json.load(response)['url'] == '/by/proxy'
request = urllib.request.Request('http://%s/put' % host, data=b'{}', method='PUT', headers={'Host': service})
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
    assert json.load(response) == {'method': 'PUT', 'url': '/put', 'length': 2}
try:
    opener.open('http://no-such-service/', timeout=10)
except urllib.error.HTTPError as error:
    assert error.code == 503, error.code
    assert error.headers['x-fairlead-error'] == 'NO_ENDPOINTS'
    assert 'no-such-service' in json.load(error)['message']
else:
    raise AssertionError('an unknown service was answered')
print('done')
`

  test('Python reaches a service through it', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer((request, response) => {
      let length = 0
      request.on('data', (chunk: Buffer) => (length += chunk.length))
      request.on('end', () => {
        const { method, url } = request
        response.end(JSON.stringify({ method, url, length }))
      })
    })
    await service.add('a', { port: server.port })
    await using sidecar = await startSidecarProcess(agent, ['--service', service.name])
    await using python = new Child('python3', ['-c', program, new URL(sidecar.address).host, service.name])
    const ending = await python.ended.catch((error: unknown) => {
      throw new Error('no python3 on the PATH: install Python 3', { cause: error })
    })
    expect(python.stderr).toBe('')
    expect(ending).toEqual({ code: 0, signal: null })
    expect(python.stdout).toBe('done')
    expect(server.requests).toBe(23)
  })
})

describe('the end', () => {
  const inFlight = 16

  test('SIGTERM under load drains: no request fails, and the exit code is 0', async () => {
    await using service = new TestService(agent)
    let active = 0
    await using server = await startHttpServer((request, response) => {
      request.resume()
      active += 1
      setTimeout(() => {
        active -= 1
        response.end('ok')
      }, 300)
    })
    await service.add('a', { port: server.port })
    await using sidecar = await startSidecarProcess(agent, ['--service', service.name])
    // One that keeps its connections, as long as it may: the sidecar must not wait for it to let go.
    const pool = new Pool(sidecar.address, { keepAliveTimeout: 600_000 })
    const load = startLoad(async () => {
      const { statusCode, body } = await pool.request({
        path: '/',
        method: 'GET',
        headers: { host: service.name },
      })
      expect([statusCode, await body.text()]).toEqual([200, 'ok'])
    }, inFlight)
    await eventually(() => server.requests > 3 * inFlight && active === inFlight, { what: 'load' })
    // Every request there is has reached the instance, and no other is sent: a sidecar is stopped after its clients.
    const sentAt = performance.now()
    sidecar.child.signal('SIGTERM')
    await load.stop()
    expect(load.failures).toEqual([])
    expect(await sidecar.child.ended).toEqual({ code: 0, signal: null })
    // Well before --drain-timeout, 30 s.
    expect(performance.now() - sentAt).toBeLessThan(10_000)
    await pool.destroy()
  })

  test('what takes longer than --drain-timeout is aborted, and the exit code is 1', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer(() => undefined)
    await service.add('a', { port: server.port })
    const args = ['--service', service.name, '--drain-timeout', '300']
    await using sidecar = await startSidecarProcess(agent, args)
    const pool = new Pool(sidecar.address)
    const broken = expect(
      pool.request({ path: '/', method: 'GET', headers: { host: service.name } }),
    ).rejects.toThrow(/other side closed|ECONNRESET/)
    await eventually(() => server.requests === 1, { what: 'the request at the instance' })
    sidecar.child.signal('SIGTERM')
    await broken
    expect(await sidecar.child.ended).toEqual({ code: 1, signal: null })
    await pool.destroy()
  })

  test.for(['SIGTERM', 'SIGINT'] as const)('a second signal, %s, ends it at once', async (second) => {
    await using service = new TestService(agent)
    await using server = await startHttpServer(() => undefined)
    await service.add('a', { port: server.port })
    await using sidecar = await startSidecarProcess(agent, ['--service', service.name])
    const pool = new Pool(sidecar.address)
    const broken = expect(
      pool.request({ path: '/', method: 'GET', headers: { host: service.name } }),
    ).rejects.toThrow(/other side closed|ECONNRESET/)
    await eventually(() => server.requests === 1, { what: 'the request at the instance' })
    sidecar.child.signal('SIGTERM')
    await untilReadyz(sidecar, 503)
    expect(sidecar.child.running).toBe(true)
    sidecar.child.signal(second)
    expect(await sidecar.child.ended).toEqual({ code: 1, signal: null })
    await broken
    await pool.destroy()
  })

  // Runs the sidecar with its log in a pipe or a terminal that is read up to the first line, and is closed then or held
  // open unread; tells that line, and in the end how the sidecar ended: subprocess counts a signal as negative.
  const standing = `
import os, pty, subprocess, sys
read, write = pty.openpty() if sys.argv[1] == 'terminal' else os.pipe()
sidecar = subprocess.Popen(sys.argv[3:], stdout=write)
line = b''
while not line.endswith(b'\\n'):
    line += os.read(read, 1)
if sys.argv[2] == 'gone':
    os.close(write)
    os.close(read)
print(line.decode().strip(), flush=True)
print('ended with', sidecar.wait(), flush=True)
`

  // A terminal blocks its writer, and a thread that waits for it holds up an exit.
  test.for([
    ['pipe', '0'],
    ['terminal', '-15'],
  ])('SIGTERM while the log in a %s is not read: it ends with %s', async ([kind = '', code]) => {
    const sidecarArgs = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--consul', agent]
    const quick = ['--drain-timeout', '500', '--log-level', 'debug']
    const command = [process.execPath, built('packages/sidecar/dist/main.js'), ...sidecarArgs, ...quick]
    await using python = new Child('python3', ['-c', standing, kind, 'still', ...command])
    const { address, pid } = JSON.parse(await python.line(/"address":/)) as { address: string; pid: number }
    try {
      // Each is logged at this level: far more than what a pipe, or a terminal, keeps.
      for (let request = 0; request < 1000; request++) {
        const response = await fetch(address, { headers: { 'fairlead-service': 'unknown' } })
        expect(response.status).toBe(503)
        await response.text()
      }
      process.kill(pid, 'SIGTERM')
      expect(await python.line(/^ended with/)).toBe(`ended with ${code}`)
    } finally {
      // Its parent may have been told to go before it.
      if (python.lines.length < 2) process.kill(pid, 'SIGKILL')
    }
  })

  // Not with a terminal that is gone: there Node itself aborts in its exit, of any program (`ResetStdio` of src/node.cc).
  test.for([
    ['pipe', 'gone', 'SIGTERM', '1'],
    ['pipe', 'still', 'SIGTERM', '1'],
    ['pipe', 'still', 'SIGINT', '1'],
    ['terminal', 'still', 'SIGTERM', '-15'],
    ['terminal', 'still', 'SIGINT', '-2'],
  ] as const)(
    'with its log in a %s whose reader is %s, a second signal, %s, ends it at once with %s',
    async ([kind, reader, second, code]) => {
      await using service = new TestService(agent)
      await using server = await startHttpServer(() => undefined)
      await service.add('a', { port: server.port })
      const args = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--consul', agent]
      const patient = ['--drain-timeout', '60000', '--log-level', 'debug']
      const command = [process.execPath, built('packages/sidecar/dist/main.js'), ...args, ...patient]
      await using python = new Child('python3', ['-c', standing, kind, reader, ...command])
      const line = await python.line(/"address":/)
      const { address, admin, pid } = JSON.parse(line) as { address: string; admin: string; pid: number }
      const pool = new Pool(address)
      try {
        for (let request = 0; request < 1000; request++) {
          const headers = { host: 'unknown' }
          const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers })
          expect(statusCode).toBe(503)
          await body.dump()
        }
        const broken = expect(
          pool.request({ path: '/', method: 'GET', headers: { host: service.name } }),
        ).rejects.toThrow(/other side closed|ECONNRESET/)
        await eventually(() => server.requests === 1, { what: 'the request at the instance' })
        process.kill(pid, 'SIGTERM')
        await eventually(async () => (await fetch(`${admin}/readyz`)).status === 503, { what: 'the drain' })
        expect(python.lines).toHaveLength(1)
        const sentAt = performance.now()
        process.kill(pid, second)
        expect(await python.line(/^ended with/)).toBe(`ended with ${code}`)
        // Well before --drain-timeout.
        expect(performance.now() - sentAt).toBeLessThan(10_000)
        await broken
      } finally {
        if (python.lines.length < 2) process.kill(pid, 'SIGKILL')
        await pool.destroy()
      }
    },
  )

  test('SIGTERM while it is idle, with clients that keep their connections', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer()
    await service.add('a', { port: server.port })
    await using sidecar = await startSidecarProcess(agent, ['--service', service.name])
    const pool = new Pool(sidecar.address, { keepAliveTimeout: 600_000 })
    const { body } = await pool.request({ path: '/', method: 'GET', headers: { host: service.name } })
    await body.dump()
    sidecar.child.signal('SIGTERM')
    expect(await sidecar.child.ended).toEqual({ code: 0, signal: null })
    await pool.destroy()
  })
})
