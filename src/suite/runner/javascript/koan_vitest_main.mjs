// Runs vitest with the guard's test runner in its workers, which are threads of this process: they report over the same pipe, each in a stream
// of its own. What vitest itself has to say about the run comes from here.

import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const { open, takeTask, leave, describer, oneLine } = require('./koan_report.cjs');
const { nearest } = require('./koan_files.cjs');

const task = takeTask();
const { tree } = task;
const emit = open(3, null);
const describe = describer(tree);
const inTree = (file) => path.relative(tree, file);

// The project's packages cannot be written to: vite is told so in the words after which it puts the compiled configuration elsewhere.
const { mkdir } = fs.promises;
fs.promises.mkdir = async (folder, ...rest) => {
  if (String(folder).includes('.vite-temp')) throw Object.assign(new Error('the packages are read-only'), { code: 'EACCES' });
  return mkdir(folder, ...rest);
};

const fromTree = createRequire(path.join(tree, 'package.json'));
// Up to version 0.34 it may only be imported, and so is not found by a path.
function entry() {
  try {
    return fromTree.resolve('vitest/node');
  } catch {
    return path.join(path.dirname(fromTree.resolve('vitest/package.json')), 'dist/node.js');
  }
}
const { createVitest, parseCLI } = await import(pathToFileURL(entry()).href);

const own = {
  allowOnly: true,
  api: false,
  bail: 0,
  cache: false,
  coverage: { enabled: false },
  detectAsyncLeaks: false,
  fileParallelism: false,
  inspect: false,
  isolate: true,
  maxConcurrency: 1,
  maxWorkers: 1,
  open: false,
  outputFile: undefined,
  passWithNoTests: true,
  pool: 'threads',
  reporters: [{ onInit() {} }],
  retry: 0,
  runner: path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'koan_vitest_runner.mjs'),
  silent: false,
  typecheck: { enabled: false },
  ui: false,
  update: false,
  watch: false,
  ...(task.seed === null ? {} : { sequence: { shuffle: { tests: true, files: false }, seed: task.seed } }),
};

// Version 2 and older know a specification as a project, a file and options, and give no answer but their state.
const glob = (vitest) => (vitest.globTestSpecifications ?? vitest.globTestSpecs ?? vitest.globTestFiles).call(vitest);
const moduleOf = (specification) => specification.moduleId ?? specification[1];
function specify(vitest, file) {
  const [project] = vitest.projects ?? [];
  if (project?.createSpecification) return project.createSpecification(file);
  const core = vitest.getCoreWorkspaceProject?.() ?? project;
  return core.createSpec?.(file, 'threads') ?? [core, file, { pool: 'threads' }];
}
async function runAll(vitest, chosen) {
  if (chosen.length === 0) return { unhandledErrors: [], modules: [] };
  if (vitest.runTestSpecifications) {
    const { unhandledErrors, testModules } = await vitest.runTestSpecifications(chosen, true);
    return { unhandledErrors, modules: testModules.map((module) => ({ file: module.moduleId, isOk: module.ok() })) };
  }
  await vitest.runFiles(chosen, true);
  const modules = vitest.state.getFiles().map((file) => ({ file: file.filepath, isOk: file.result?.state !== 'fail' }));
  return { unhandledErrors: vitest.state.getUnhandledErrors(), modules };
}

// A project of the configuration has settings of its own, and takes over only some of those above.
function overrule(vitest) {
  for (const { config } of vitest.projects ?? []) {
    if (!config) continue;
    for (const name of ['allowOnly', 'bail', 'detectAsyncLeaks', 'fileParallelism', 'isolate', 'pool', 'retry', 'runner', 'typecheck']) {
      config[name] = typeof own[name] === 'object' ? { ...config[name], ...own[name] } : own[name];
    }
    if (own.sequence) config.sequence = { ...config.sequence, ...own.sequence };
  }
}

// A file that several projects run is called by their names as well.
const projectOf = (specification) => specification.project?.name ?? specification[0]?.getName?.() ?? '';
const labelsOf = (file, specifications) => (specifications.length > 1 ? specifications.map((one) => `${file} [${projectOf(one)}]`) : [file]);

async function main() {
  const { options } = parseCLI ? parseCLI(['vitest', 'run', ...task.args]) : { options: {} };
  const vitest = await createVitest('test', { ...options, ...own }, { cacheDir: path.join(process.env.TMPDIR ?? '/tmp', 'vite') });
  overrule(vitest);
  const specifications = await glob(vitest);
  const byFile = new Map();
  for (const specification of specifications) {
    const file = inTree(moduleOf(specification));
    byFile.set(file, [...(byFile.get(file) ?? []), specification]);
  }
  const wanted = nearest(task, [...byFile.keys()]);
  const chosen = wanted.flatMap((file) => byFile.get(file) ?? [specify(vitest, path.join(tree, file))]);
  const labels = wanted.flatMap((file) => labelsOf(file, byFile.get(file) ?? []).map((label) => [label, file]));
  emit('files', { files: labels.map(([label]) => label), paths: Object.fromEntries(labels) });
  // The workers learn where they are, and which files run in several projects; the pipe they share.
  const shared = wanted.filter((file) => (byFile.get(file) ?? []).length > 1);
  process.env.KOAN_WORKER = JSON.stringify({ tree, shared });
  const { unhandledErrors, modules } = await runAll(vitest, chosen);
  let status = 0;
  for (const error of unhandledErrors) {
    status = 1;
    emit('held', { what: 'vitest', outcome: 'failed', exc: describe(error), note: oneLine(error?.message ?? error) });
  }
  const seen = new Set();
  for (const { file, isOk } of modules) {
    seen.add(inTree(file));
    if (!isOk) status = 1;
  }
  for (const file of wanted) if (!seen.has(file)) emit('contradiction', { reason: `\`${file}\` was not run` });
  emit('end', { status });
  leave(status);
}

main().catch((error) => {
  console.error(error);
  leave(3);
});
