// Runs mocha as its command would, with the project's options, but without a reporter, a second try or an early end; and watches the function
// of each test.

'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const { pathToFileURL } = require('url');
const { open, takeTask, leave, describer, namer, watched } = require('./koan_report.cjs');
const { nearest } = require('./koan_files.cjs');

const task = takeTask();
const { tree } = task;
const emit = open(3, null);
const testFiles = new Set();
const describe = describer(tree, testFiles);
const inTree = (file) => path.relative(tree, file);

const fromTree = createRequire(path.join(tree, 'package.json'));
const list = (value) => (value === undefined ? [] : [value].flat().flatMap((one) => String(one).split(/ *, */)));

let anyFailed = false;
const fail = (event, facts) => {
  anyFailed = true;
  emit(event, facts);
};

// A part of mocha's own command, which is called `.cjs` since version 12.
function part(name) {
  const own = path.join(path.dirname(fromTree.resolve('mocha/package.json')), 'lib', 'cli', name);
  return require(fs.existsSync(`${own}.cjs`) ? `${own}.cjs` : own);
}

async function main() {
  const loaded = fromTree('mocha');
  const Mocha = loaded.default ?? loaded;
  const { loadOptions } = part('options');
  const { handleRequires, handleFiles } = part('run-helpers');
  // Version 6 has it among the helpers.
  const collect = handleFiles ?? part('collect-files');
  const options = { ...loadOptions(task.args), reporter: undefined, 'reporter-option': undefined, reporterOption: undefined };
  // Its tests are what files export, and no file can be given one more by a line at its end.
  if (list(options.ui).includes('exports')) throw new Error('its interface `exports` cannot be used with koan-guard');
  const spec = options._.length > 0 ? options._ : ['./test'];
  for (const value of [options.import, options.loader].flat()) {
    if (value) await import(/^[./]/.test(value) ? pathToFileURL(path.resolve(tree, value)).href : fromTree.resolve(value));
  }
  const plugins = (await handleRequires(list(options.require))) ?? {};
  const ignore = list(options.ignore ?? options.exclude);
  const collected = collect({
    ignore,
    exclude: ignore,
    extension: list(options.extension ?? ['js', 'cjs', 'mjs']),
    file: list(options.file),
    recursive: options.recursive ?? false,
    sort: options.sort ?? false,
    spec,
  });
  const all = Array.isArray(collected) ? collected : collected.files;
  const first = list(options.file).map((file) => path.resolve(tree, file));
  const known = all.filter((file) => !first.includes(file)).map(inTree);
  const mocha = new Mocha({
    ...options,
    allowUncaught: false,
    bail: false,
    cleanReferencesAfterRun: false,
    delay: options.delay ?? false,
    dryRun: false,
    failZero: false,
    forbidOnly: false,
    forbidPending: false,
    // What it leaves out of stacks is where an error came from.
    fullTrace: true,
    fullStackTrace: true,
    parallel: false,
    reporter: function () {},
    retries: 0,
    rootHooks: plugins.rootHooks,
    globalSetup: plugins.globalSetup,
    globalTeardown: plugins.globalTeardown,
    enableGlobalSetup: true,
    enableGlobalTeardown: true,
    color: false,
    isWorker: false,
  });
  const teller = new Teller(mocha);
  for (const file of [...first, ...nearest(task, known).map((file) => path.join(tree, file))]) await teller.load(file);
  await teller.run();
}

class Teller {
  constructor(mocha) {
    this.mocha = mocha;
    this.cases = new Map();
    this.loaded = [];
  }

  // One file after the other, so that a broken one does not hide the rest.
  async load(file) {
    const inner = inTree(file);
    testFiles.add(inner);
    this.mocha.files = [file];
    // With some interfaces what a file begins with joins the last group of the file before it.
    const before = new Map(suitesOf(this.mocha.suite).map((suite) => [suite, [suite.tests.length, suite.suites.length]]));
    try {
      // Before version 7.1 there is only the other.
      await (this.mocha.loadFilesAsync ?? this.mocha.loadFiles).call(this.mocha);
    } catch (error) {
      for (const [suite, [nTests, nSuites]] of before) {
        suite.tests.length = nTests;
        suite.suites.length = nSuites;
      }
      fail('not_collected', { what: inner, detail: '', exc: describe(error) });
      return;
    }
    const name = namer();
    const tests = [...before].flatMap(([suite, [nTests, nSuites]]) => [...suite.tests.slice(nTests), ...suite.suites.slice(nSuites).flatMap(testsOf)]);
    for (const test of tests) {
      const id = name(inner, titles(test, before));
      const known = { id, isEnded: false, raised: null, told: [], begun: 0, isDone: false };
      this.cases.set(test, known);
      this.watch(test, known);
    }
    if (tests.length > 0) emit('collected', { file: inner });
  }

  watch(test, known) {
    Object.defineProperty(test, '_retries', { get: () => 0, set: () => {} });
    if (typeof test.fn !== 'function') return;
    const { fn } = test;
    test.fn = watched(fn, {
      ended: () => (known.isEnded = true),
      raised: (error) => (known.raised ??= { error }),
    });
  }

  async run() {
    const { mocha } = this;
    mocha.lazyLoadFiles?.(true);
    mocha.files = [];
    const runner = await new Promise((done) => {
      const started = mocha.run(() => done(started));
      this.listen(started);
    });
    for (const [test, known] of this.cases) this.close(test, known);
    const status = runner.failures > 0 || anyFailed ? 1 : 0;
    emit('end', { status });
    leave(status);
  }

  listen(runner) {
    const on = (event, handler) => runner.on(event, handler);
    on('start', () => {
      // Those that `.only` leaves, and that the project's own `grep` selects.
      this.chosen = new Set(testsOf(runner.suite).filter((test) => !runner._grep || runner.grepTotal === undefined || matches(runner, test)));
    });
    on('test', (test) => this.begin(test));
    on('pending', (test) => this.pending(test));
    on('pass', (test) => this.done(test, 'passed', null));
    on('fail', (test, error) => this.failed(test, error));
    on('retry', (test) => emit('contradiction', { reason: `\`${titles(test).join(' > ')}\` was tried again` }));
  }

  begin(test) {
    const known = this.cases.get(test);
    if (known === undefined) return emit('contradiction', { reason: `\`${test.title}\` was not loaded` });
    known.begun += 1;
    emit('plan', { id: known.id });
    emit('begin', { id: known.id });
    return undefined;
  }

  pending(test) {
    const known = this.cases.get(test);
    if (known === undefined || known.isDone) return;
    known.isDone = true;
    if (known.begun === 0) emit('left_out', { id: known.id, detail: 'pending' });
    else this.phase(known, { when: 'call', outcome: 'skipped', note: 'pending' }, true);
  }

  failed(test, error) {
    if (test.type === 'hook') return this.hook(test, error);
    return this.done(test, 'failed', error);
  }

  done(test, outcome, error) {
    const known = this.cases.get(test);
    if (known === undefined) return emit('contradiction', { reason: `\`${test.title}\` was not loaded` });
    if (known.begun === 0) this.begin(test);
    if (outcome === 'passed' && !known.isEnded && !known.raised) emit('contradiction', { reason: `\`${known.id}\` was reported passed and never ended` });
    const raised = known.raised ?? (outcome === 'failed' ? { error } : null);
    this.phase(known, { when: 'call', outcome, exc: raised && describe(raised.error) }, true);
    known.isDone = true;
    return undefined;
  }

  phase(known, facts, isLast) {
    anyFailed ||= facts.outcome === 'failed';
    emit('phase', { id: known.id, ...facts });
    if (isLast) emit('finish', { id: known.id });
  }

  // A hook stands before or after one test, or a group of them: those that it keeps from running cannot be set up.
  hook(hook, error) {
    const exc = describe(error);
    const current = this.cases.get(hook.ctx?.currentTest);
    if (/before each/.test(hook.title) && current) {
      if (current.begun === 0) this.begin(hook.ctx.currentTest);
      this.phase(current, { when: 'setup', outcome: 'failed', exc }, true);
      current.isDone = true;
    } else if (/after each/.test(hook.title) && current) {
      this.phase(current, { when: 'teardown', outcome: 'failed', exc }, false);
    } else if (/after all/.test(hook.title)) {
      fail('held', { what: `after (${titles(hook).join(' > ')})`, outcome: 'failed', exc, note: '' });
    }
    if (/before|after each/.test(hook.title)) {
      for (const [test, known] of this.cases) {
        if (!known.isDone && known.begun === 0 && isInside(test, hook.parent)) known.held = exc;
      }
    }
    anyFailed = true;
  }

  close(test, known) {
    const { id } = known;
    if (known.isDone) return;
    if (known.held) {
      emit('plan', { id });
      emit('begin', { id });
      this.phase(known, { when: 'setup', outcome: 'failed', exc: known.held }, true);
    } else if (known.begun > 0) {
      emit('contradiction', { reason: `\`${id}\` never ended` });
    } else if (this.chosen?.has(test)) {
      emit('contradiction', { reason: `\`${id}\` was to run and did not` });
    } else {
      emit('left_out', { id, detail: 'not selected' });
    }
  }
}

const testsOf = (suite) => [...suite.tests, ...suite.suites.flatMap(testsOf)];
const suitesOf = (suite) => [suite, ...suite.suites.flatMap(suitesOf)];
// Up to the top, or to a group of another file's.
const titles = (one, others = new Map()) => [...(one.parent && !one.parent.root && !others.has(one.parent) ? titles(one.parent, others) : []), one.title];
const isInside = (test, suite) => {
  for (let at = test.parent; at; at = at.parent) if (at === suite) return true;
  return false;
};
const matches = (runner, test) => runner._grep.test(test.fullTitle()) !== Boolean(runner._invert);

main().catch((error) => {
  console.error(error);
  // Most often what the project loads first is not there, or cannot be loaded.
  emit('contradiction', { reason: `it could not be run: ${describe(error).message}` });
  leave(3);
});
