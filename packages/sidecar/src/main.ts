#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { FairleadError, systemClock } from '@fairlead/sdk'
import { CommanderError } from 'commander'
import { pino } from 'pino'
import { parseConfig } from './config.js'
import { LogOutput } from './log-output.js'
import { surviveClosedOutput } from './output.js'
import { startSidecar } from './sidecar.js'

// Long for a reader that is there.
const FLUSH_MS = 1000

surviveClosedOutput(process)
// The only place that ends the process.
process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const config = parseConfig(process.argv.slice(2), await version())
    const output = new LogOutput(process.stdout.fd, systemClock)
    const logger = pino({ name: 'fairlead-sidecar', level: config.logLevel }, output)
    const sidecar = await startSidecar(config, logger)
    const signal = await nextSignal()
    logger.info({ signal, timeoutMs: config.drainTimeoutMs }, 'draining: a second signal ends at once')
    void nextSignal().then(() => end(1, output))
    const code = (await sidecar.stop()) ? 0 : 1
    await output.flush(FLUSH_MS)
    end(code, output)
  } catch (error) {
    // commander has printed what is wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode
    if (!(error instanceof FairleadError)) throw error
    process.stderr.write(`fairlead-sidecar: ${error.message}\n`)
    return 1
  }
}

/** Ends the process, whatever is still being written: a thread that waits for the reader of a full pipe holds `exit` up for ever. */
function end(code: number, output: LogOutput): never {
  if (output.writing) process.kill(process.pid, 'SIGKILL')
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
