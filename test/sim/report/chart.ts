import { init, type EChartsCoreOption } from 'echarts'
import { TIMEOUT_MS } from '../simulation.js'
import { isRamp, type Result, type Run } from './result.js'

// Okabe and Ito's colours, which people who do not see all colours can tell apart, and darker or lighter where the
// contrast to white and to a dark page would be too small.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a7300', '#3d8fd1', '#a85a2a', '#7a6fd0']
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect', 'emptyTriangle']

// Grey that is read on white and on black (4.6 to 1 at least).
const INK = '#767676'
const LINES = '#7676764d'

const WIDTH = 860
const HEIGHT = 440
const RAMP_HEIGHT = 700

// What requests can take at most; what is quicker than 10 ms is the same to all policies.
const MILLISECONDS = { type: 'log', min: 10, max: TIMEOUT_MS }

const PERCENTILES = [
  { name: 'p50', of: 'p50' },
  { name: 'p90', of: 'p90' },
  { name: 'p99', of: 'p99' },
  { name: 'p99.9', of: 'p999' },
] as const

/** One SVG image, the same for the same result. */
export function chartOf(result: Result): string {
  return isRamp(result) ? render(rampOption(result), RAMP_HEIGHT) : render(percentileOption(result), HEIGHT)
}

function render(option: EChartsCoreOption, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  chart.setOption({
    animation: false,
    backgroundColor: 'transparent',
    color: COLOURS,
    textStyle: { color: INK, fontFamily: 'sans-serif' },
    ...option,
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return `${svg}\n`
}

/** Latency over percentiles, a line for each policy. */
function percentileOption({ runs }: Result): EChartsCoreOption {
  return {
    legend: legend(runs),
    grid: { left: 70, right: 30, top: 100, bottom: 40 },
    xAxis: axis({ type: 'category', data: PERCENTILES.map(({ name }) => name), boundaryGap: false }),
    yAxis: axis({ ...MILLISECONDS, name: 'latency, ms' }),
    series: runs.map((run, place) => ({
      ...line(run, place),
      data: PERCENTILES.map(({ of }) => run.figures[0]?.[of]),
    })),
  }
}

/** p99 and errors over the load, one above the other. */
function rampOption({ scenario, runs }: Result): EChartsCoreOption {
  const loads = scenario.spans.map(({ label }) => label)
  const x = { type: 'category', data: loads, boundaryGap: false }
  return {
    legend: legend(runs),
    grid: [
      { left: 70, right: 40, top: 100, height: 240 },
      { left: 70, right: 40, top: 410, height: 240 },
    ],
    xAxis: [axis({ ...x, gridIndex: 0 }), axis({ ...x, gridIndex: 1, name: 'load', nameLocation: 'middle' })],
    yAxis: [
      axis({ ...MILLISECONDS, name: 'p99, ms', gridIndex: 0 }),
      axis({ type: 'value', name: 'errors, %', gridIndex: 1 }),
    ],
    series: [
      ...runs.map((run, place) => ({ ...line(run, place), data: run.figures.map(({ p99 }) => p99) })),
      ...runs.map((run, place) => ({
        ...line(run, place),
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: run.figures.map(({ errors }) => errors),
      })),
    ],
  }
}

function line({ policy }: Run, place: number): object {
  const symbol = SYMBOLS[place % SYMBOLS.length]
  const color = COLOURS[place % COLOURS.length]
  return {
    name: policy,
    type: 'line',
    symbol,
    symbolSize: 8,
    itemStyle: { color },
    lineStyle: { width: 2, color },
  }
}

function legend(runs: readonly Run[]): object {
  return {
    data: runs.map(({ policy }) => policy),
    top: 8,
    itemGap: 16,
    textStyle: { color: INK, fontSize: 13 },
  }
}

function axis(option: object): object {
  return {
    nameTextStyle: { color: INK, fontSize: 13 },
    nameGap: 24,
    axisLabel: { color: INK, fontSize: 13 },
    axisLine: { lineStyle: { color: INK } },
    splitLine: { lineStyle: { color: LINES } },
    ...option,
  }
}
