import { dirname, relative, resolve, sep } from 'node:path'

const SDK = `
  runtime/own-context clock random
  errors logger collections runtime validation pacing resilience/outcome resilience/not-retried
  consul
  orca
  discovery observe/events observe/log-lines observe/log discovery/excluding discovery/checking
  discovery/hosts discovery/saved discovery/dns discovery/file hashing
  discovery/consul discovery/consul/rules discovery/process-resolvers
  balance/picker balance/explain-pick balance/structures
  balance/layers balance/policies balance/keyed balance/priorities balance
  request deadline resilience resilience/outlier resilience/stall admission transport endpoint health cluster
  observe
  registration orca/load-reporter
  call sessions
  client-options fetch
  client-interface process-budgets endpoint-transports endpoint-factory endpoint-checks client index internal
  grpc connect-node
  testing test-support contract
`

const SIDECAR = `
  error-codes config log clients
  inbound drain proxy admin
  sidecar index main
  testing
`

/**
 * The layers of each package's sources, bottom first: each imports only what stands before it. An entry is a folder,
 * without the folders in it, or a file that stands elsewhere than the rest of its folder.
 */
export const layersOf = {
  'packages/sdk/src': words(SDK),
  'packages/sidecar/src': words(SIDECAR),
}

/** Options: the folder of the sources, and its layers. Tests import what they like, but their folder has a layer. */
export const layersRule = {
  meta: {
    type: 'problem',
    schema: [
      {
        type: 'object',
        properties: { root: { type: 'string' }, layers: { type: 'array', items: { type: 'string' } } },
        required: ['root', 'layers'],
        additionalProperties: false,
      },
    ],
    messages: {
      unknown: "'{{layer}}' has no layer: give it a place in lint/layers.js.",
      upwards: "Layers import downwards only: '{{above}}' stands above '{{layer}}' in lint/layers.js.",
    },
  },
  create(context) {
    const [{ root, layers }] = context.options
    const from = relative(root, context.filename)
    const isTest = /\.test(?:\.support)?\.ts$/.test(from)
    if (isTest && !from.includes(sep)) return {}
    const layer = layerOf(from, layers)
    const place = layers.indexOf(layer)
    if (place < 0) {
      return { Program: (node) => void context.report({ node, messageId: 'unknown', data: { layer } }) }
    }
    if (isTest) return {}

    const check = ({ source }) => {
      if (source?.type !== 'Literal' || !String(source.value).startsWith('.')) return
      const to = relative(root, resolve(dirname(context.filename), source.value))
      const above = layerOf(to, layers)
      // What has no layer is reported where it is.
      if (layers.indexOf(above) > place) {
        context.report({ node: source, messageId: 'upwards', data: { layer, above } })
      }
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    }
  },
}

/** The file, where it has an entry of its own, else its folder. */
function layerOf(path, layers) {
  const file = path
    .split(sep)
    .join('/')
    .replace(/\.[jt]s$/, '')
  const folder = file.slice(0, Math.max(file.lastIndexOf('/'), 0))
  return layers.includes(file) || folder === '' ? file : folder
}

function words(text) {
  return text.trim().split(/\s+/)
}
