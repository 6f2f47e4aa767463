import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'
import importX from 'eslint-plugin-import-x'
import prettier from 'eslint-config-prettier'

// Time and randomness are arguments: only the two adapters may touch the real ones.
const ambient = [
  { object: 'Date', property: 'now', message: 'Take a Clock as an argument.' },
  { object: 'performance', property: 'now', message: 'Take a Clock as an argument.' },
  { object: 'process', property: 'hrtime', message: 'Take a Clock as an argument.' },
  { object: 'Math', property: 'random', message: 'Take a Random as an argument.' },
]
const timers = ['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({
  name,
  message: 'Take a Clock as an argument.',
}))

// Layers of the SDK, top to bottom; a layer imports only what stands below it.
const sdk = 'packages/sdk/src'
const layers = ['client.ts', 'execute.ts', 'cluster', 'balance', 'resilience', 'discovery', 'consul']
const downwards = layers.slice(1).map((layer, index) => ({
  target: `${sdk}/${layer}`,
  from: layers.slice(0, index + 1).map((above) => `${sdk}/${above}`),
  message: 'Layers import downwards only.',
}))

export default defineConfig(
  globalIgnores(['**/dist/**', '**/node_modules/**', '.cache/**']),
  tseslint.configs.strictTypeChecked,
  {
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    settings: {
      'import-x/resolver-next': [importX.createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] } })],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      // Half a minute less than with the modules of others, in which there is nothing to mend.
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones: downwards }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/clock.ts', '**/random.ts', '**/testing/**', '**/*.test.ts', '**/*.test.support.ts'],
    rules: {
      'no-restricted-globals': ['error', ...timers],
      'no-restricted-properties': ['error', ...ambient],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:timers', message: 'Take a Clock as an argument.' },
            { name: 'node:timers/promises', message: 'Take a Clock as an argument.' },
            { name: 'node:perf_hooks', message: 'Take a Clock as an argument.' },
            { name: 'opossum', message: 'Only resilience/opossum-breaker.ts speaks opossum.' },
            { name: 'consul', message: 'Only its one adapter speaks to npm consul.' },
          ],
        },
      ],
    },
  },
  { files: ['**/opossum-breaker.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
  prettier,
)
