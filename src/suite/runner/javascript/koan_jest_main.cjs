// Runs jest with the guard's test runner around jest-circus, in which each test's function is watched, and with nobody else's reporter.

'use strict';

const path = require('path');
const { createRequire } = require('module');
const { open, takeTask, leave, describer, oneLine, namer, watched } = require('./koan_report.cjs');
const { nearest } = require('./koan_files.cjs');

const task = takeTask();
const { tree } = task;
const emit = open(3, null);
const testFiles = new Set();
const describe = describer(tree, testFiles);
const inTree = (file) => path.relative(tree, file);
const isCanary = (file) => task.canary !== null && file.includes(task.canary);

const load = (from, name) => {
  const file = createRequire(from).resolve(name);
  const module = require(file);
  return { file, module: module.default ?? module, all: module };
};
const jest = load(path.join(tree, 'package.json'), 'jest');
const core = load(jest.file, '@jest/core');
const config = load(core.file, 'jest-config');
// The runner that is wrapped is jest's own, whatever the tree could resolve later.
const circusOf = load(config.file, 'jest-circus/runner');
const Sequencer = load(config.file, '@jest/test-sequencer').module;

// ---- the tests of one file ----

const seen = new Set();

async function runFile(globalConfig, projectConfig, environment, runtime, testPath, ...rest) {
  const file = inTree(testPath);
  const teller = new Teller(file);
  const original = environment.handleTestEvent;
  environment.handleTestEvent = async (event, state) => {
    teller.handle(event, state, environment);
    if (original) await Reflect.apply(original, environment, [event, state]);
  };
  let result;
  try {
    result = await circusOf.module(globalConfig, projectConfig, environment, runtime, testPath, ...rest);
  } catch (error) {
    seen.add(file);
    emit('not_collected', { what: file, detail: '', exc: describe(error) });
    throw error;
  }
  seen.add(file);
  const { testExecError } = result;
  const exc = testExecError?.stack ? describe(testExecError) : null;
  const said = oneLine(testExecError?.message ?? result.failureMessage ?? 'it holds no test');
  if (teller.cases.size > 0) {
    emit('collected', { file });
    // Beside its tests: an error that belongs to none of them.
    if (testExecError && !teller.hasHeld) emit('held', { what: file, outcome: 'failed', exc, note: said });
    teller.close();
  } else if (testExecError || result.testResults.length === 0) {
    emit('not_collected', { what: file, detail: exc === null ? said : '', exc });
  }
  return result;
}

class Teller {
  constructor(file) {
    this.file = file;
    this.name = namer();
    // By the test: its id, what was seen of its function, what its hooks raised.
    this.cases = new Map();
    this.hasHeld = false;
  }

  handle(event, state, environment) {
    // A second try hides the first.
    environment.global[Symbol.for('RETRY_TIMES')] = 0;
    switch (event.name) {
      case 'run_start':
        this.plan(state.rootDescribeBlock, []);
        break;
      case 'test_skip':
      case 'test_todo':
        this.leaveOut(event.test, event.name === 'test_todo' ? 'todo' : 'skipped');
        break;
      case 'test_start':
        this.begin(event.test);
        break;
      case 'hook_failure':
        this.hook(event);
        break;
      case 'test_fn_failure': {
        const known = this.cases.get(event.test);
        if (known) known.told = { error: raw(event.error) };
        break;
      }
      case 'test_retry':
        emit('contradiction', { reason: `\`${this.cases.get(event.test)?.id}\` was tried again` });
        break;
      case 'test_done':
        this.done(event.test);
        break;
    }
  }

  plan(block, titles) {
    for (const child of block.children) {
      if (child.type === 'describeBlock') {
        this.plan(child, [...titles, child.name]);
        continue;
      }
      const id = this.name(this.file, [...titles, child.name]);
      const known = { id, isEnded: false, raised: null, told: null, hooks: [], begun: 0, isDone: false };
      this.cases.set(child, known);
      if (typeof child.fn === 'function') {
        child.fn = watched(child.fn, {
          ended: () => (known.isEnded = true),
          raised: (error) => (known.raised ??= { error }),
        });
      }
    }
  }

  leaveOut(test, detail) {
    const known = this.cases.get(test);
    if (known === undefined || known.isDone) return;
    known.isDone = true;
    if (known.begun === 0) {
      emit('left_out', { id: known.id, detail });
      return;
    }
    emit('phase', { id: known.id, when: 'call', outcome: 'skipped', note: detail });
    emit('finish', { id: known.id });
  }

  begin(test) {
    const known = this.cases.get(test);
    if (known === undefined || test.mode === 'skip' || test.mode === 'todo') return;
    known.begun += 1;
    emit('plan', { id: known.id });
    emit('begin', { id: known.id });
  }

  hook({ error, describeBlock, test, hook }) {
    if (hook.type === 'afterAll') {
      const what = `afterAll (${this.file}::${blockPath(describeBlock).map(oneLine).join(' > ')})`;
      this.hasHeld = true;
      emit('held', { what, outcome: 'failed', exc: describe(raw(error)), note: '' });
    } else if (test) {
      this.cases.get(test)?.hooks.push({ when: hook.type === 'afterEach' ? 'teardown' : 'setup', error: raw(error) });
    } else {
      for (const [one, known] of this.cases) {
        for (let at = one.parent; at; at = at.parent) {
          if (at === describeBlock) known.hooks.push({ when: 'setup', error: raw(error) });
        }
      }
    }
  }

  done(test) {
    const known = this.cases.get(test);
    if (known === undefined || known.isDone || known.begun === 0) return;
    known.isDone = true;
    const { id } = known;
    for (const { when, error } of known.hooks) emit('phase', { id, when, outcome: 'failed', exc: describe(error) });
    const isSetUp = !known.hooks.some(({ when }) => when === 'setup');
    const isFailed = test.errors.length > 0;
    const raised = known.raised ?? known.told;
    if (test.failing) {
      // Expected to fail: jest has turned it round.
      const outcome = known.raised ? 'skipped' : 'failed';
      emit('phase', { id, when: 'call', outcome, xfail: true, exc: known.raised && describe(known.raised.error), note: 'it was expected to fail' });
    } else if (isSetUp) {
      const ofCall = raised ?? (isFailed && known.hooks.length === 0 ? { error: raw(test.errors[0]) } : null);
      const outcome = isFailed && (ofCall || !known.isEnded) ? 'failed' : 'passed';
      if (outcome === 'passed' && !known.isEnded && !ofCall) emit('contradiction', { reason: `\`${id}\` was reported passed and never ended` });
      emit('phase', { id, when: 'call', outcome, exc: ofCall && describe(ofCall.error) });
    }
    emit('finish', { id });
  }

  // What a file left unsaid.
  close() {
    for (const known of this.cases.values()) {
      if (!known.isDone) emit('contradiction', { reason: `\`${known.id}\` never ended` });
    }
  }
}

const blockPath = (block) => (block.parent ? [...blockPath(block.parent), block.name] : []);

// jest keeps an error with another one that knows where the test stands.
function raw(error) {
  const own = Array.isArray(error) ? (error[0] ?? error[1]) : error;
  return own;
}

// ---- which files ----

class KoanSequencer extends Sequencer {
  sort(all) {
    const known = new Map(all.map((test) => [inTree(test.path), test]));
    const wanted = nearest(task, [...known.keys()]);
    const [any] = all;
    const tests = [];
    for (const file of wanted) {
      if (known.has(file)) tests.push(known.get(file));
      else if (any !== undefined) tests.push({ context: any.context, path: path.join(tree, file), duration: undefined });
    }
    tests.forEach(({ path: file }) => testFiles.add(inTree(file)));
    return tests;
  }

  shard(tests) {
    return tests;
  }

  allFailedTests(tests) {
    return tests;
  }
}

class Reporter {
  onTestResult(test, result) {
    const file = inTree(test.path);
    if (!seen.has(file)) emit('not_collected', { what: file, detail: oneLine(result.failureMessage ?? 'it was not run'), exc: null });
  }
}

// The parts are handed to jest as modules, each of them once.
const parts = { runner: runFile, sequencer: KoanSequencer, reporter: Reporter };
exports.take = (name) => {
  const part = parts[name];
  delete parts[name];
  return part;
};

async function main() {
  const part = (name) => path.join(__dirname, `koan_jest_${name}.cjs`);
  const own = options(task.flags);
  const known = await config.all.readConfigs({ ...own, _: [], $0: '' }, [tree]);
  for (const { testRunner } of known.configs) {
    if (!/jest-circus/.test(testRunner)) throw new Error(`jest's test runner \`${testRunner}\` is not supported, only jest-circus`);
  }
  const argv = {
    ...own,
    _: [],
    $0: 'jest',
    bail: 0,
    cache: true,
    cacheDirectory: path.join(process.env.TMPDIR ?? '/tmp', 'jest-cache'),
    ci: true,
    collectCoverage: false,
    coverage: false,
    coverageThreshold: '{}',
    detectOpenHandles: false,
    forceExit: false,
    notify: false,
    passWithNoTests: true,
    reporters: [part('reporter')],
    runInBand: true,
    testRunner: part('runner'),
    testSequencer: part('sequencer'),
    useStderr: true,
    watch: false,
    watchAll: false,
    watchman: false,
  };
  if (task.seed !== null) Object.assign(argv, { randomize: true, seed: task.seed });
  const { results } = await core.all.runCLI(argv, [tree]);
  const status = results.success && !results.wasInterrupted ? 0 : 1;
  emit('end', { status });
  leave(status);
}

function options(flags) {
  const names = { '-c': 'config', '--config': 'config', '--env': 'env', '--testEnvironment': 'env', '--rootDir': 'rootDir' };
  const own = {};
  for (let i = 0; i < flags.length; i++) {
    const [name, value = flags[++i]] = flags[i].split('=');
    if (names[name]) own[names[name]] = value;
    if (name === '--selectProjects') own.selectProjects = [...(own.selectProjects ?? []), value];
  }
  return own;
}

main().catch((error) => {
  console.error(error);
  leave(3);
});
