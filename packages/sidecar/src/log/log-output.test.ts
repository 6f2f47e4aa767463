import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@fairlead/sdk'
import { ManualClock } from '@fairlead/sdk/testing'
import { expect, onTestFinished, test } from 'vitest'
import { LogOutput } from './log-output.js'
import { until } from '../testing/rig.test.support.js'

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants

const LINE = `${'x'.repeat(99)}\n`

test('lines are written whole and in order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-'))
  const fd = openSync(join(folder, 'log'), 'w')
  const output = new LogOutput(fd, systemClock)
  const lines = Array.from({ length: 1000 }, (_, number) => `line ${number}\n`)
  for (const line of lines) output.write(line)
  expect(await output.flush(15_000)).toBe(true)
  expect(output.writing).toBe(false)
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe(lines.join(''))
  closeSync(fd)
  rmSync(folder, { recursive: true })
})

test('a reader that does not read holds nothing up, and one that goes away neither', async () => {
  const reader = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  reader.stdin.on('error', () => undefined)
  const { fd } = (reader.stdin as unknown as { _handle: { fd: number } })._handle
  const output = new LogOutput(fd, systemClock)
  // More than the pipe and the lines that may wait hold together.
  for (let bytes = 0; bytes < 4 * 1024 * 1024; bytes += LINE.length) output.write(LINE)
  expect(await output.flush(100)).toBe(false)
  expect(output.writing).toBe(true)
  reader.kill('SIGKILL')
  await once(reader, 'exit')
  expect(await output.flush(15_000)).toBe(true)
})

/** A named pipe, which opens at once where it has both ends. */
function namedPipe(): (flags: number) => number {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  return (flags) => openSync(path, flags)
}

/** What is in a pipe by now. */
function readAll(fd: number): string {
  const chunk = Buffer.alloc(65_536)
  let text = ''
  try {
    for (;;) {
      const length = readSync(fd, chunk)
      if (length === 0) return text
      text += chunk.toString('latin1', 0, length)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return text
    throw error
  }
}

test('lines that find no room are counted, and the count is a line of its own', async () => {
  const open = namedPipe()
  const output = new LogOutput(open(O_RDWR | O_NONBLOCK), systemClock)
  const counts: number[] = []
  output.onDropped = (lines) => {
    counts.push(lines)
    output.write(`dropped ${lines}\n`)
  }
  const lines = 20_000
  for (let line = 0; line < lines; line++) output.write(LINE)
  const reader = open(O_RDONLY | O_NONBLOCK)
  let text = ''
  await until('all is written', () => {
    text += readAll(reader)
    return !output.writing
  })
  text += readAll(reader)
  expect(counts).toHaveLength(1)
  const [dropped = 0] = counts
  expect(dropped).toBeGreaterThan(0)
  expect(text).toBe(LINE.repeat(lines - dropped) + `dropped ${dropped}\n`)
})

test('what has no reader is tried once a second, and counted', async () => {
  const open = namedPipe()
  const clock = new ManualClock()
  const first = open(O_RDONLY | O_NONBLOCK)
  const output = new LogOutput(open(O_WRONLY | O_NONBLOCK), clock)
  const counts: number[] = []
  output.onDropped = (lines) => counts.push(lines)
  output.write('read\n')
  await until('it is written', () => !output.writing)
  expect(readAll(first)).toBe('read\n')
  closeSync(first)

  output.write('not read\n')
  expect(output.writing).toBe(true)
  output.write('nor this\n')
  await until('it is abandoned', () => !output.writing)
  for (let line = 0; line < 5; line++) {
    output.write('dropped\n')
    // Without a call to the system.
    expect(output.writing).toBe(false)
  }
  await clock.advance(1000)
  output.write('a try\n')
  await until('the try is abandoned', () => !output.writing)
  expect(counts).toEqual([])

  const next = open(O_RDONLY | O_NONBLOCK)
  await clock.advance(999)
  output.write('too early\n')
  expect(output.writing).toBe(false)
  await clock.advance(1)
  output.write('read again\n')
  await until('it is written', () => !output.writing)
  expect(readAll(next)).toBe('read again\n')
  expect(counts).toEqual([9])
})

test.each([
  ['a full pipe that says so', O_NONBLOCK, true],
  ['one that blocks, as a terminal does', 0, false],
])('%s: can the process exit?', async (_, flag, expected) => {
  const open = namedPipe()
  const output = new LogOutput(open(O_RDWR | flag), systemClock)
  const reader = open(O_RDONLY | O_NONBLOCK)
  for (let bytes = 0; bytes < 512 * 1024; bytes += LINE.length) output.write(LINE)
  expect(await output.flush(100)).toBe(false)
  expect(await output.stop(100)).toBe(expected)
  // The thread that waits is one of this process.
  readAll(reader)
  await until('nothing waits', async () => {
    readAll(reader)
    return output.stop(10)
  })
})
