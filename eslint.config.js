import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'
import importX from 'eslint-plugin-import-x'
import prettier from 'eslint-config-prettier'
import { resolve } from 'node:path'
import { layersOf, layersRule } from './lint/layers.js'
import { moduleStateRule, stateOf } from './lint/module-state.js'

// Time and randomness are arguments: only the two adapters may touch the real ones.
const ambient = [
  { object: 'Date', property: 'now', message: 'Take a Clock as an argument.' },
  { object: 'performance', property: 'now', message: 'Take a Clock as an argument.' },
  { object: 'process', property: 'hrtime', message: 'Take a Clock as an argument.' },
  { object: 'AbortSignal', property: 'timeout', message: 'Take a Clock as an argument.' },
  { object: 'Math', property: 'random', message: 'Take a Random as an argument.' },
]
const timers = ['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({
  name,
  message: 'Take a Clock as an argument.',
}))

// Rules of our own (lint/), each with a place where what it knows is listed.
const fairlead = { rules: { layers: layersRule, 'module-state': moduleStateRule } }
const layers = Object.entries(layersOf).map(([sources, layers]) => ({
  files: [`${sources}/**/*.ts`],
  rules: { 'fairlead/layers': ['error', { root: resolve(import.meta.dirname, sources), layers }] },
}))
const stateExceptions = Object.entries(stateOf).map(([file, { names }]) => ({
  files: [file],
  rules: { 'fairlead/module-state': ['error', names] },
}))

export default defineConfig(
  globalIgnores(['**/dist/**', '**/node_modules/**', '.cache/**', 'docs/api/**']),
  tseslint.configs.strictTypeChecked,
  {
    plugins: { 'import-x': importX, fairlead },
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
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Take a Clock as an argument.',
        },
      ],
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
  ...layers,
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.test.support.ts'],
    rules: { 'fairlead/module-state': 'error' },
  },
  ...stateExceptions,
  { files: ['**/opossum-breaker.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
  prettier,
)
