#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { FairleadError, systemClock } from '@fairlead/sdk'
import { CommanderError } from 'commander'
import { pino } from 'pino'
import { parseConfig } from './config/config.js'
import { LogOutput } from './log/log-output.js'
import { surviveClosedOutput } from './log/output.js'
import { startSidecar } from './sidecar.js'

// Long for a reader that reads.
const FLUSH_MS = 1000

// Long for a system call that does not block.
const CALL_MS = 100

surviveClosedOutput(process)
// The only place that sets the exit code.
process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const config = parseConfig(process.argv.slice(2), await version())
    const output = new LogOutput(process.stdout.fd, systemClock)
    const logger = pino({ name: 'fairlead-sidecar', level: config.logLevel }, output)
    output.onDropped = (lines) => {
      logger.error(
        { lines },
        'log lines dropped, as standard output was full or had no reader; logging again',
      )
    }
    const sidecar = await startSidecar(config, logger)
    const signal = await nextSignal()
    logger.info(
      { signal, timeoutMs: config.drainTimeoutMs },
      'draining: requests in flight may finish within --drain-timeout; a second signal exits at once',
    )
    void nextSignal().then((second) => end(1, second, output))
    const code = (await sidecar.stop()) ? 0 : 1
    await output.flush(FLUSH_MS)
    return await end(code, signal, output)
  } catch (error) {
    // commander has printed the mistake, or the requested help.
    if (error instanceof CommanderError) return error.exitCode
    if (!(error instanceof FairleadError)) throw error
    process.stderr.write(`fairlead-sidecar: ${error.message}\n`)
    return 1
  }
}

/** Exits, or ends by the default action of the signal where a blocked write of log lines would block `exit` as well. */
async function end(code: number, signal: NodeJS.Signals, output: LogOutput): Promise<never> {
  if (!(await output.stop(CALL_MS))) {
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  }
  process.exit(code)
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const caught = (signal: NodeJS.Signals): void => {
      process.off('SIGTERM', caught)
      process.off('SIGINT', caught)
      resolve(signal)
    }
    process.on('SIGTERM', caught)
    process.on('SIGINT', caught)
  })
}
