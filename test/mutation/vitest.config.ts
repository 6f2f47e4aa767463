import { defineConfig, type ViteUserConfig } from 'vitest/config'

// For `npm run mutate`: the SDK's unit tests only, as the root's projects include the integration tests, which start
// Consul. FAIRLEAD_MUTATION_TESTS narrows them: nearly every file is related to the tests of the client.
const tests = process.env['FAIRLEAD_MUTATION_TESTS'] ?? 'packages/sdk/src/**/*.test.ts'
const conditions = ['@fairlead/source', 'node', 'import', 'default']

const config: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: [tests],
    exclude: ['**/dist/**', '**/node_modules/**'],
    testTimeout: 20_000,
    expect: { poll: { timeout: 10_000 } },
  },
})

export default config
