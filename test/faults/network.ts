import { spawn, spawnSync } from 'node:child_process'

/** Where packets may be dropped, and if they may not, why. */
export type Network = { readonly kind: 'own' } | { readonly kind: 'shared'; readonly why: string }

// Set where the program has started itself once more, in a network namespace.
const MARK = 'FAULTS_NETWORK'

/**
 * A network namespace of its own for a program: rules in it reach nothing else on the machine, and go when its last
 * process does. Needs Linux with unshare, ip and iptables, and root or user namespaces.
 */
export function currentNetwork(): Network {
  if (process.env[MARK] === 'own') return { kind: 'own' }
  const [command, ...args] = inNamespace('sh', ['-c', 'iptables -w -S >/dev/null'])
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status === 0) return { kind: 'own' }
  const why =
    error?.message ?? (stderr.trim().split('\n').at(-1) || `${command} ended with ${status ?? 'a signal'}`)
  return { kind: 'shared', why }
}

/** Runs this program once more, in a namespace; resolves with its exit code. `undefined`: this is that run. */
export async function rerunInNamespace(): Promise<number | undefined> {
  if (process.env[MARK] === 'own') return undefined
  const [command, ...args] = inNamespace(process.execPath, process.argv.slice(1))
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, [MARK]: 'own' } })
  // The terminal tells both of Ctrl-C; a SIGTERM comes to this one alone.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

/** From now on no packet to or from this port arrives; returns how to end that. */
export function dropPackets(port: number): () => void {
  for (const rule of rulesFor(port)) iptables(['-I', ...rule])
  return () => {
    for (const rule of rulesFor(port)) iptables(['-D', ...rule])
  }
}

function rulesFor(port: number): readonly string[][] {
  return ['--dport', '--sport'].map((side) => ['INPUT', '-p', 'tcp', side, String(port), '-j', 'DROP'])
}

function iptables(args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('iptables', ['-w', ...args], { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(`iptables ${args.join(' ')}: ${stderr.trim()}`)
}

/** The command as it has to be called to run in a new namespace, whose loopback interface has to be set up first. */
function inNamespace(command: string, args: readonly string[]): readonly [string, ...string[]] {
  const asRoot = process.getuid?.() === 0
  const script = 'ip link set lo up && exec "$@"'
  return [
    'unshare',
    asRoot ? '--net' : '--map-root-user',
    ...(asRoot ? [] : ['--net']),
    'sh',
    '-c',
    script,
    'sh',
    command,
    ...args,
  ]
}
