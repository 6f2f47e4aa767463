import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BackendLoad } from './backend-load.js'
import { parseLoadReport, type LoadReport } from './parse.js'

const report = (said: Partial<LoadReport>): LoadReport => ({
  utilization: 0,
  qps: 0,
  eps: 0,
  inflight: -1,
  latencyMs: -1,
  ...said,
})

const full = report({ utilization: 0.8, qps: 1000, eps: 2 })

// The cases of envoyproxy/envoy test/common/orca/orca_parser_test.cc, in its order and, but for the separator, its words.
describe('as in Envoy', () => {
  test.each<[string, string, LoadReport | undefined]>([
    ['InvalidOrcaHeaderPrefix', 'BAD random-value', undefined],
    ['InvalidOrcaHeaderPrefixWithLargePrefix', 'BADBAD random-value', undefined],
    ['EmptyOrcaHeader', '', undefined],
    [
      'NativeHttpEncodedHeader',
      'TEXT cpu_utilization=0.7,application_utilization=0.8,mem_utilization=0.9,rps_fractional=1000,eps=2,named_metrics.foo=123,named_metrics.bar=0.2',
      full,
    ],
    [
      'NativeHttpEncodedHeader, before 1.33',
      'TEXT cpu_utilization:0.7,application_utilization:0.8,mem_utilization:0.9,rps_fractional:1000,eps:2,named_metrics.foo:123,named_metrics.bar:0.2',
      full,
    ],
    ['NativeHttpEncodedHeaderIncorrectFieldType', 'TEXT cpu_utilization="0.7"', undefined],
    ['NativeHttpEncodedHeaderNanMetricValue', 'TEXT cpu_utilization=nan', undefined],
    ['NativeHttpEncodedHeaderInfinityMetricValue', 'TEXT cpu_utilization=inf', undefined],
    [
      'NativeHttpEncodedHeaderContainsDuplicateMetric',
      'TEXT cpu_utilization=0.7,cpu_utilization=0.8',
      undefined,
    ],
    [
      'NativeHttpEncodedHeaderContainsDuplicateNamedMetric',
      'TEXT eps=1,named_metrics.foo=123,named_metrics.duplicate=123,named_metrics.duplicate=0.2',
      undefined,
    ],
    ['NativeHttpEncodedHeaderContainsEmptyNamedMetricKey', 'TEXT eps=1,named_metrics.=123', undefined],
    ['InvalidNativeHttpEncodedHeader', 'TEXT not-a-list-of-key-value-pairs', undefined],
    [
      'JsonHeader',
      'JSON {"cpu_utilization": 0.7, "application_utilization": 0.8, "mem_utilization": 0.9, "rps_fractional": 1000, "eps": 2, "named_metrics": {"foo": 123,"bar": 0.2}}',
      full,
    ],
    ['InvalidJsonHeader', 'JSON JSON not-a-valid-json-string', undefined],
    ['JsonHeaderIncorrectFieldType', 'JSON {"cpu_utilization": "0.7"', undefined],
    ['BinaryHeader, which is not read', 'BIN CZqZmZmZmbk/', undefined],
    // Without the prefix, as in BinHeaderPrecedence.
    ['no prefix', 'cpu_utilization=0.7', undefined],
    ['a prefix in small letters', 'text cpu_utilization=0.7', undefined],
    ['a prefix alone', 'TEXT', undefined],
  ])('%s', (_, text, expected) => {
    expect(parseLoadReport(text)).toEqual(expected)
  })
})

test.each<[string, string, LoadReport]>([
  [
    'the example of gRPC and of Envoy',
    'TEXT cpu_utilization=0.3, mem_utilization=0.8, rps_fractional=10.0, eps=1, named_metrics.custom_metric_util=0.4',
    report({ utilization: 0.3, qps: 10, eps: 1 }),
  ],
  [
    'application over cpu',
    'TEXT cpu_utilization=2,application_utilization=0.1',
    report({ utilization: 0.1 }),
  ],
  [
    'cpu, where application is 0',
    'TEXT cpu_utilization=0.2,application_utilization=0',
    report({ utilization: 0.2 }),
  ],
  ['above 1', 'TEXT cpu_utilization=1.7', report({ utilization: 1.7 })],
  [
    "a reporter's own",
    'TEXT named_metrics.inflight=3,named_metrics.latency_ms=1.25',
    report({ inflight: 3, latencyMs: 1.25 }),
  ],
  ['none in flight', 'TEXT named_metrics.inflight=0', report({ inflight: 0 })],
  ['a name that is new', 'TEXT eps=3,request_cost.gold=7', report({ eps: 3 })],
  ['odd spaces and commas', 'TEXT  eps = 3 ,, rps_fractional=4 ,', report({ eps: 3, qps: 4 })],
  [
    'all that a decimal may look like',
    'TEXT eps=+1.5e1,rps_fractional=.5,cpu_utilization=2.',
    report({ eps: 15, qps: 0.5, utilization: 2 }),
  ],
  [
    "protobuf's names in JSON",
    'JSON {"cpuUtilization":0.3,"rpsFractional":"10","eps":null}',
    report({ utilization: 0.3, qps: 10 }),
  ],
  [
    'named metrics in JSON',
    'JSON {"named_metrics":{"inflight":2,"latency_ms":7,"queue":-1}}',
    report({ inflight: 2, latencyMs: 7 }),
  ],
])('reads %s', (_, text, expected) => {
  expect(parseLoadReport(text)).toEqual(expected)
})

test.each([
  'TEXT eps=-1',
  'TEXT eps=1e400',
  'TEXT eps=1e10',
  'TEXT eps=0x10',
  'TEXT eps=',
  'TEXT eps=1;cpu_utilization=2',
  'TEXT =1',
  'TEXT eps=1,named_metrics.other=nan',
  'TEXT named_metrics.kv_cache_usage=0.5',
  'JSON [1]',
  'JSON null',
  'JSON {"eps":true}',
  'JSON {"eps":[1]}',
  'JSON {"eps":1,"named_metrics":{"foo":{}}}',
  `TEXT eps=1,${'named_metrics.x=1,'.repeat(300)}`,
])('refuses %s', (text) => {
  expect(parseLoadReport(text)).toBeUndefined()
})

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .string({ unit: fc.constantFrom(...Array.from('TEXTJSON {}":=,.-+e019naif_metrics')) })
    .map((text) => `TEXT ${text}`),
  fc.json().map((text) => `JSON ${text}`),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'eps',
          'cpu_utilization',
          'rps_fractional',
          'named_metrics.inflight',
          'named_metrics.latency_ms',
        ),
        fc.double().map(String),
      ),
    )
    .map((entries) => `TEXT ${entries.map((entry) => entry.join('=')).join(',')}`),
)

test('whatever a server sends, no number is one that balancing could not bear', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const load = new BackendLoad()
      load.receive(text, 5)
      const { utilization, qps, eps, inflight, latencyUs } = load
      for (const value of [utilization, qps, eps, inflight, latencyUs]) {
        expect(Number.isFinite(value)).toBe(true)
        expect(value).toBeGreaterThanOrEqual(-1)
      }
      for (const value of [utilization, qps, eps]) expect(value).toBeGreaterThanOrEqual(0)
    }),
    { numRuns: 2000 },
  )
})

test('what can be is read as it was said', () => {
  const amount = fc.double({ min: 0, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(amount, amount, amount, amount, fc.constantFrom('=', ':'), (cpu, qps, eps, inflight, is) => {
      const said = { utilization: Math.abs(cpu), qps, eps, inflight }
      const entries = [
        ['cpu_utilization', cpu],
        ['rps_fractional', qps],
        ['eps', eps],
        ['named_metrics.inflight', inflight],
      ]
      const text = `TEXT ${entries.map((entry) => entry.join(is)).join(',')}`
      const json = { cpu_utilization: cpu, rps_fractional: qps, eps, named_metrics: { inflight } }
      for (const either of [text, `JSON ${JSON.stringify(json)}`]) {
        const read = parseLoadReport(either)
        expect({ ...read, latencyMs: -1 }).toEqual(report(said))
      }
    }),
  )
})
