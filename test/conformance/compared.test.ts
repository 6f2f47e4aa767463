import fc from 'fast-check'
import { expect, test } from 'vitest'
import { written } from './arbitrary-requests.js'
import { ComparedWire, type Outcome } from './compared-wire.js'
import { dutiesOf, type Duty } from './duties.js'
import { readResponses, type Answer } from './responses.js'
import { membersOf, type WholeRequest } from './requests.js'

// As many as take some seconds. A longer search: FAIRLEAD_FUZZ_RUNS, and FAIRLEAD_FUZZ_SEED for other inputs.
const RUNS = Number(process.env['FAIRLEAD_FUZZ_RUNS'] ?? 300)
const SEED = Number(process.env['FAIRLEAD_FUZZ_SEED'] ?? 9112)
const RUN_MS = 100

test(
  'whatever an application writes, and however it is cut: what a strict reader reads is what comes of it',
  async () => {
    const wire = await ComparedWire.start()
    await fc.assert(
      fc.asyncProperty(written, async (connection) => {
        const { bytes } = connection
        const duties = dutiesOf(bytes)
        const whole = check(await wire.write({ bytes, cuts: [] }), duties)
        const cut = check(await wire.write(connection), duties)
        expect(cut.map((answer, index) => ofBroken(answer, whole[index]))).toEqual(whole)
        expect(wire.faults).toEqual([])
      }),
      { numRuns: RUNS, seed: SEED },
    )
    // What came too late for its own connection to tell.
    expect(wire.faults).toEqual([])
  },
  20_000 + RUNS * RUN_MS,
)

const NOT_THERE = '503 NO_ENDPOINTS'
const BROKEN = '400 BAD_REQUEST'

/** Of a request whose service is not there, and whose body is broken: which is found first depends on how it is cut. */
function ofBroken(answer: string, other: string | undefined): string {
  const either = [NOT_THERE, BROKEN]
  return other !== undefined && either.includes(answer) && either.includes(other) ? other : answer
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Gives what the application read: statuses, and whose they are. */
function check({ received, clean, got }: Outcome, duties: readonly Duty[]): readonly string[] {
  const served = duties.filter((duty) => duty.kind === 'served')
  expect(got.map(gistOf)).toEqual(
    inOrderOf(
      served.map(({ request, target }) => ({ ...request, target })),
      got,
    ).map(gistOf),
  )
  const answers = answersOf(received, duties)
  const owed = duties.filter((duty, index) => duty.kind !== 'partial' || index < answers.length)
  expect(answers.map(gistOfAnswer)).toEqual(
    owed.map((duty) => (duty.kind === 'served' ? duty.target : 'refused')),
  )
  expect(clean).toBe(true)
  return answers.map(
    ({ status, headers }) => `${status} ${headers['x-fairlead-error'] ?? headers['x-got'] ?? ''}`,
  )
}

/** The answers to requests, of which there is nothing but whole ones. */
function answersOf(received: string, duties: readonly Duty[]): readonly Answer[] {
  const methods = duties.map((duty) => (duty.kind === 'served' ? duty.request.method : (duty.method ?? '')))
  const { answers, rest } = readResponses(received, methods, true)
  // What is not a request may begin like one to HEAD, and is answered with a body.
  const last = duties.at(-1)
  if (rest !== '' && last !== undefined && last.kind !== 'served' && last.method !== undefined)
    return answersOf(received, [...duties.slice(0, -1), { ...last, method: undefined }])
  expect(rest).toBe('')
  return answers.filter(({ status }) => status >= 200)
}

function gistOfAnswer({ status, headers }: Answer): string {
  if (status === 200) return headers['x-got'] ?? ''
  expect(headers['x-fairlead-error']).toBeDefined()
  return status >= 400 ? 'refused' : String(status)
}

/** Requests in the order of others, as far as safe ones next to each other may run at once. */
function inOrderOf(
  requests: readonly WholeRequest[],
  others: readonly WholeRequest[],
): readonly WholeRequest[] {
  const left = [...requests]
  const ordered: WholeRequest[] = []
  for (const other of others) {
    const unsafe = left.findIndex(({ method }) => !SAFE.has(method))
    const index = left.findIndex((request) => gistOf(request) === gistOf(other))
    if (index === -1 || (unsafe !== -1 && index > unsafe) || (index === unsafe && unsafe > 0)) break
    ordered.push(...left.splice(index, 1))
  }
  return [...ordered, ...left]
}

/** What an instance is to get of a request: method, target, body, and the headers that are not of a connection. */
function gistOf({ method, target, body, fields }: WholeRequest): string {
  const named = new Set(membersOf(fields, 'connection'))
  const own = fields.filter(([name]) => /^x/i.test(name) && !named.has(name.toLowerCase()))
  return `${method} ${target} ${own.map(([name, value]) => `${name}: ${value}`).join(' | ')} ${body}`
}
