import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { GenericContainer, getContainerRuntimeClient, getReaper, ImageName } from 'testcontainers'
import { Watchdog } from '../watchdog.js'
import { agentCommand, type AgentSettings } from './agent-command.js'
import type { AgentRunner } from './agent-runner.js'

// The folder that the official image makes a volume, owned by whichever user it runs as.
const dataDir = '/consul/data'
const stopDeadlineSeconds = 10

type RuntimeClient = Awaited<ReturnType<typeof getContainerRuntimeClient>>
type Container = ReturnType<RuntimeClient['container']['getById']>

/** Rejects unless an engine of this machine answers and has the image, or can pull it. */
export async function probeImage(image: string): Promise<void> {
  const client = await getContainerRuntimeClient()
  const engine = (await client.container.dockerode.info()) as { Name: string }
  // The engine's host network must be ours, as checks of the agent go to servers on our 127.0.0.1. It is not if
  // the engine is remote, in Docker Desktop's virtual machine, or outside of the container that we are in; its
  // host then has another name. (Testcontainers' own guess takes any engine of a container for one outside.)
  if (engine.Name !== hostname()) {
    throw new Error(`the Docker engine is on ${engine.Name}, and its network is not that of this machine`)
  }
  const name = ImageName.fromString(image)
  await client.image.pull(name)
  if (!(await client.image.exists(name))) throw new Error(`cannot pull ${image}`)
}

/** The agent in a container on the host's network, so that its ports stay over a restart. */
export class ContainerRunner implements AgentRunner {
  readonly #image: string
  readonly #command: string[]
  readonly #folders: readonly string[]
  readonly #client: RuntimeClient
  // A name of our own choice is known before the container is there, so it can be cleaned up at any moment.
  readonly #name = `fairlead-consul-${randomUUID()}`
  readonly #watchdog = new Watchdog()
  #created = false

  private constructor(image: string, command: string[], folders: readonly string[], client: RuntimeClient) {
    this.#image = image
    this.#command = command
    this.#folders = folders
    this.#client = client
    this.#watchdog.arm(`docker rm --force --volumes ${this.#name}`)
  }

  static async create(image: string, settings: Omit<AgentSettings, 'dataDir'>): Promise<ContainerRunner> {
    const command = agentCommand('consul', { ...settings, dataDir })
    return new ContainerRunner(image, command, settings.folders, await getContainerRuntimeClient())
  }

  async start(): Promise<void> {
    if (this.#created) {
      await this.#container.start()
      return
    }
    this.#created = true
    await new GenericContainer(this.#image)
      .withName(this.#name)
      .withNetworkMode('host')
      .withEntrypoint(['sh'])
      .withCommand(this.#command)
      // Under the same paths, so that the configuration is the same wherever the agent runs.
      .withBindMounts(this.#folders.map((folder) => ({ source: folder, target: folder })))
      .withAutoCleanup(await reaperAnswers(this.#client))
      .start()
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    // Not StartedTestContainer.stop(): it works only once, and without the data's removal it cannot be undone.
    if (!(await this.running())) return
    await (signal === 'SIGKILL'
      ? this.#container.kill().then(() => this.#container.wait())
      : this.#container.stop({ t: stopDeadlineSeconds }))
  }

  async running(): Promise<boolean> {
    return this.#created && (await this.#container.inspect()).State.Running
  }

  async logTail(): Promise<string> {
    const log = await this.#container.logs({ stdout: true, stderr: true, tail: 10 })
    return unframe(log)
  }

  async clear(): Promise<void> {
    await this.#container.remove({ v: true })
    this.#created = false
  }

  async remove(): Promise<void> {
    if (this.#created) await this.#container.remove({ force: true, v: true }).catch(ignoreMissing)
    this.#watchdog.disarm()
  }

  // The engine takes a name wherever it takes an id.
  get #container(): Container {
    return this.#client.container.getById(this.#name)
  }
}

/**
 * Testcontainers' reaper removes our containers if we are killed. Its image cannot be pulled on a closed network,
 * and then every start would fail; our watchdog, which needs Docker's command line, stands in for it.
 */
async function reaperAnswers(client: RuntimeClient): Promise<boolean> {
  try {
    await getReaper(client)
    return true
  } catch {
    return false
  }
}

// Without a terminal, the engine puts a header of eight bytes before each piece: the stream, and the length.
function unframe(log: Buffer): string {
  let text = ''
  for (let at = 0; at + 8 <= log.length;) {
    const end = at + 8 + log.readUInt32BE(at + 4)
    text += log.toString('utf8', at + 8, end)
    at = end
  }
  return text.trimEnd()
}

// The engine could not make it, so there is nothing to remove.
function ignoreMissing(error: unknown): void {
  if ((error as { statusCode?: number }).statusCode !== 404) throw error
}
