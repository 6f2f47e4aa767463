import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const run = promisify(execFile)

/** Runs a program of the built package: what it writes, and on which stream. */
async function program(code: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const built = (name: string): string =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../packages/sdk/dist', name)).href)
  const whole = `
    import { createRequire } from 'node:module'
    import { createClient, fixedResolver } from ${built('index.js')}
    import { defaultLogger } from ${built('logger.js')}
    const loaded = () => Object.keys(createRequire(import.meta.url).cache)
      .flatMap((file) => /node_modules.(pino|yaml|undici)\\W/.exec(file)?.[1] ?? [])
      .filter((name, index, all) => all.indexOf(name) === index)
    ${code}`
  return run(process.execPath, ['--input-type=module', '-e', whole], { cwd: import.meta.dirname })
}

interface PinoLine {
  readonly name: string
  readonly level: number
  readonly msg: string
}

function messages(stdout: string): string[] {
  const lines = stdout.trimEnd().split('\n')
  return lines.map((line) => {
    const { name, level, msg } = JSON.parse(line) as PinoLine
    return `${name} ${level} ${msg}`
  })
}

describe('the default logger', () => {
  test('writes by pino what came before pino was loaded, in order, also when the program ends by itself', async () => {
    const { stdout, stderr } = await program(`
      const logger = defaultLogger()
      logger.info({}, 'below the level')
      logger.warn({ a: 1 }, 'first')
      logger.error({}, 'second')`)
    expect(messages(stdout)).toEqual(['fairlead 40 first', 'fairlead 50 second'])
    expect(stderr).toBe('')
  })

  test('writes by pino afterwards', async () => {
    const { stdout } = await program(`
      const logger = defaultLogger()
      logger.warn({}, 'before')
      while (!loaded().includes('pino')) await new Promise((resolve) => setTimeout(resolve, 5))
      logger.warn({}, 'after')`)
    expect(messages(stdout)).toEqual(['fairlead 40 before', 'fairlead 40 after'])
  })

  test('loses no line of a program that exits before pino is loaded', async () => {
    const { stdout, stderr } = await program(`
      defaultLogger().warn({ service: 'orders' }, 'the last words')
      process.exit()`)
    expect(stdout).toBe('')
    expect(stderr).toContain("the last words { service: 'orders' }")
  })
})

describe('loaded when first needed', () => {
  const client = (options: string): string => `
    const client = createClient('orders', { resolver: fixedResolver(['http://127.0.0.1:1']) ${options} })
    await client.ready()
    await client.close()`

  test.each([
    ['neither pino nor yaml by the import', '', 'undici'],
    ['no pino where there is a logger', client(', logger: console'), 'undici'],
    ['pino where there is none', client(''), 'undici,pino'],
  ])('%s', async (_, code, expected) => {
    const { stdout } = await program(`${code}
      process.once('beforeExit', () => console.log(loaded().join()))`)
    expect(stdout.trim().split('\n').at(-1)).toBe(expected)
  })
})
