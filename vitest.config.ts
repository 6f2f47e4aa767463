import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Tests read the TypeScript sources of the packages, so no build stands between an edit and its test.
const conditions = ['@fairlead/source', 'node', 'import', 'default']

const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
}

export default defineConfig({
  test: {
    // For .ci/run, which adds the counts of its runs up.
    reporters: process.env['CI'] === undefined ? ['default'] : ['default', 'json'],
    outputFile: { json: '.cache/vitest-report.json' },
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          // vitest's own default, but two also on two cores, where it would take one: files wait more than they work, and
          // some for limits that are a second long at least.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          include: [
            'packages/*/src/**/*.test.ts',
            'examples/**/*.test.ts',
            'lint/*.test.js',
            'test/{support,bench,docs,sim,faults,conformance,libraries}/**/*.test.ts',
          ],
          exclude: ['**/dist/**', '**/node_modules/**'],
          // Bounds for what hangs, not measures of speed: properties take their time where cores are few and busy.
          testTimeout: 20_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/chaos/**/*.test.ts'],
          exclude: ['**/dist/**', '**/node_modules/**'],
          // One Consul and two cores: files that start processes take turns.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          globalSetup: ['test/support/vitest-consul.ts'],
          testTimeout: 60_000,
          hookTimeout: 180_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
    ],
  },
})
