import { dirname, relative, resolve, sep } from 'node:path'

const SDK = `
  own-context clock random logger handler nearest-name errors linked-list queued-responses
  invalid-option known-names option-schemas logger-option refusal
  consul discovery hashing balance
  request resilience sessions cluster
  call fetch observe service-url tls-option options readiness
  registration reporting close execute balancing client-dispatcher
  request-options client index testing contract
`

const SIDECAR = `
  whole-number blank-variables token sticky-name sticky-cookie sticky hash-on balancer-name layers error-codes config
  setting-names own-addresses repeats clients
  inbound drain proxy admin
  sidecar index
  output log-output main testing
`

/** Folders and files of each package's sources, bottom first: each imports only what stands before it. */
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
    const layer = layerOf(from)
    const place = layers.indexOf(layer)
    if (place < 0) {
      return { Program: (node) => void context.report({ node, messageId: 'unknown', data: { layer } }) }
    }
    if (isTest) return {}

    const check = ({ source }) => {
      if (source?.type !== 'Literal' || !String(source.value).startsWith('.')) return
      const to = relative(root, resolve(dirname(context.filename), source.value))
      const above = layerOf(to)
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

/** The first part of a path, without the end of a file's name. */
function layerOf(path) {
  return path.split(sep)[0].replace(/\.[jt]s$/, '')
}

function words(text) {
  return text.trim().split(/\s+/)
}
