// The main job, for people to watch: a real Consul, three instances of `orders` with weights 3:2:1, a Node client,
// and a Python client behind the sidecar. Then things go wrong, and no request may fail.

import { spawnSync } from 'node:child_process'
import { startConsul } from '#test-support/consul/start-consul.js'
import { abortOnInterruption, Interrupted } from './interruption.js'
import { NodeTraffic } from './node-traffic.js'
import { Orders } from './orders.js'
import { freePorts } from './ports.js'
import { Processes } from './processes.js'
import { PythonTraffic } from './python-traffic.js'
import { Show } from './show.js'
import { Sidecar } from './sidecar.js'
import { story, untilConsulSees, type Chapter, type Outcome, type Scene } from './story.js'
import { asTable, claimsOf, since, type Entry } from './summary.js'

// The story takes about 30 s, 12 more when shares are slow to settle; what takes longer hangs.
const STORY_LIMIT_MS = 50_000

process.exit(await main())

async function main(): Promise<number> {
  if (spawnSync('python3', ['--version']).status !== 0) {
    console.error('The demo needs python3: apt-get install python3')
    return 1
  }
  const stop = new AbortController()
  abortOnInterruption(stop)
  using show = new Show(process.stdout)
  try {
    return (await play(show, stop)) ? 0 : 1
  } catch (error) {
    const reason = whyEnded(error, stop.signal)
    show.say(reason.message)
    return reason instanceof Interrupted ? reason.exitCode : 1
  }
}

/** Sets everything up, tells the story, and says how it went. */
async function play(show: Show, stop: AbortController): Promise<boolean> {
  const { signal } = stop
  const say = (text: string): void => show.say(text)
  await using processes = new Processes((crash) => stop.abort(crash))

  say('getting a real Consul')
  await using consul = await startConsul({ kinds: ['process'], signal, log: say })
  say(`Consul ${consul.version} runs at ${consul.address}`)

  const [first, second, third, port, adminPort] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const instances: Scene['instances'] = [
    new Orders('orders-1', 3, 'Node', first, processes),
    new Orders('orders-2', 2, 'Node', second, processes),
    new Orders('orders-3', 1, 'Python', third, processes),
  ]
  for (const instance of instances) {
    await instance.start()
    await instance.register(consul.address)
    say(`${instance.id} (${instance.language}, weight ${instance.weight}) runs at 127.0.0.1:${instance.port}`)
  }
  await Promise.all(instances.map((instance) => untilConsulSees({ consul, signal }, instance, 'passing')))

  const watched = { service: Orders.service, consul: consul.address, signal }
  await using sidecar = await Sidecar.start(processes, { ...watched, port, adminPort, say })
  say(`the sidecar runs at ${sidecar.address}`)
  await using node = new NodeTraffic(Orders.service, consul.address, say)
  await using python = await PythonTraffic.start(processes, Orders.service, sidecar)
  const clients = [node, python]
  say('both clients send requests')

  show.follow(instances, clients)
  const entries: Entry[] = []
  const late = setTimeout(() => stop.abort(new Error('the demo takes too long')), STORY_LIMIT_MS)
  for (const [index, chapter] of story.entries()) {
    show.announce(`${index + 1}/${story.length} ${chapter.title}`)
    const before = clients.map((client) => client.tally())
    const outcome = await tell(chapter, { consul, instances, clients, signal })
    entries.push({ title: chapter.title, outcome, tallies: since(before, clients) })
    say(`  ${outcome.what}`)
    if (outcome.failed) break
  }
  clearTimeout(late)
  await Promise.all(clients.map((client) => client.stop()))
  show.end()

  const claims = claimsOf(entries, clients)
  show.print(asTable(entries, clients, show.columns))
  for (const { holds, text } of claims) show.print(holds ? show.good(text) : show.bad(text))
  return claims.every(({ holds }) => holds)
}

/** One chapter. One that fails is the last, but what came before is still worth a table. */
async function tell(chapter: Chapter, scene: Scene): Promise<Outcome> {
  try {
    return await chapter.play(scene)
  } catch (error) {
    const reason = whyEnded(error, scene.signal)
    if (reason instanceof Interrupted) throw reason
    return { what: 'failed', failed: true, claims: [{ holds: false, text: reason.message }] }
  }
}

/** What a step rejects with once the end was called for is only its consequence. */
function whyEnded(error: unknown, signal: AbortSignal): Error {
  const reason: unknown = signal.aborted ? signal.reason : error
  return reason instanceof Error ? reason : new Error(String(reason))
}
