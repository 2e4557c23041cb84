// The test runner in each worker of vitest. It is loaded before the test file, and watches the function of each test.

import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const { tree, shared } = JSON.parse(process.env.KOAN_WORKER);
delete process.env.KOAN_WORKER;
const require = createRequire(import.meta.url);
const { open, describer, namer } = require(path.join(path.dirname(new URL(import.meta.url).pathname), 'koan_report.cjs'));
const fromTree = createRequire(path.join(tree, 'package.json'));
// By its file: what a name leads to may be for CommonJS. Old versions have an entry for each of these, new ones one for all.
const folder = path.dirname(fromTree.resolve('vitest/package.json'));
const entry = async (name) => {
  const file = path.join(folder, 'dist', `${name}.js`);
  return fs.existsSync(file) ? import(pathToFileURL(file).href) : {};
};
const Runner = (await entry('index')).TestRunner ?? (await entry('runners')).VitestTestRunner;
const getFn = Runner.getTestFn ?? (await entry('suite')).getFn;

const inTree = (file) => path.relative(tree, file);
const { defineProperty } = Object;

let session = null;

class Teller {
  constructor(file, project) {
    this.file = file;
    // A file that several projects run has a stream in each.
    this.label = shared.includes(file) ? `${file} [${project}]` : file;
    this.emit = open(3, this.label);
    this.describe = describer(tree, new Set([file]));
    this.cases = new Map();
    this.name = namer();
  }

  collected(task) {
    const { emit, describe, file, label } = this;
    const errors = task.result?.state === 'fail' ? (task.result.errors ?? []) : [];
    const tests = testsOf(task);
    if (errors.length > 0 || tests.length === 0) {
      emit('not_collected', { what: file, detail: errors.length > 0 ? '' : 'it holds no test', exc: errors.length > 0 ? describe(errors[0]) : null });
      return;
    }
    emit('collected', { file: label });
    for (const test of tests) {
      const id = this.name(label, titles(test));
      const known = { id, isEnded: false, raised: null, begun: false, isDone: false };
      this.cases.set(test, known);
      // A second try hides the first.
      defineProperty(test, 'retry', { get: () => 0, set: () => {} });
      defineProperty(test, 'repeats', { get: () => 0, set: () => {} });
      if (test.mode === 'run' || test.mode === 'queued') emit('plan', { id });
      else {
        known.isDone = true;
        emit('left_out', { id, detail: test.mode });
      }
    }
  }

  begin(test) {
    const known = this.cases.get(test);
    if (known === undefined || known.begun || known.isDone) return;
    known.begun = true;
    this.emit('begin', { id: known.id });
  }

  async run(test, fn) {
    const known = this.cases.get(test);
    if (known === undefined) throw new Error('a test that was not collected');
    try {
      await fn();
      known.isEnded = true;
    } catch (error) {
      known.raised ??= { error };
      throw error;
    }
  }

  done(test) {
    const { emit, describe } = this;
    const known = this.cases.get(test);
    if (known === undefined || known.isDone || !known.begun) return;
    known.isDone = true;
    const { id } = known;
    const { state, errors = [] } = test.result ?? {};
    const phase = (when, outcome, facts) => emit('phase', { id, when, outcome, ...facts });
    const { raised } = known;
    if (test.fails) {
      phase('call', raised ? 'skipped' : 'failed', { xfail: true, exc: raised && describe(raised.error), note: 'it was expected to fail' });
    } else if (state === 'skip' || test.mode === 'skip' || test.mode === 'todo') {
      phase('call', 'skipped', { note: test.result?.note ?? 'skipped' });
    } else if (raised !== null) {
      phase('call', state === 'fail' ? 'failed' : 'passed', { exc: describe(raised.error) });
    } else if (state === 'fail') {
      // Nothing of the test's own: a hook, or a time limit.
      const error = errors[0] ?? null;
      const isLate = /timed out/.test(String(error?.message));
      const isOwn = known.isRunning || isLate || known.isEnded === false && known.hasStarted;
      phase(isOwn ? 'call' : known.hasStarted ? 'teardown' : 'setup', 'failed', { exc: error && describe(error) });
    } else {
      if (!known.isEnded) emit('contradiction', { reason: `\`${id}\` was reported passed and never ended` });
      phase('call', 'passed', { exc: null });
    }
    emit('finish', { id });
  }

  // What a group kept from running, and what went wrong beside the tests.
  close(task) {
    const { emit, describe, label: file } = this;
    const visit = (group, held) => {
      const errors = group.result?.errors ?? [];
      const own = group.result?.state === 'fail' && errors.length > 0 ? errors[0] : held;
      for (const child of group.tasks) {
        if (child.type === 'suite') {
          visit(child, own);
          continue;
        }
        const known = this.cases.get(child);
        if (known === undefined || known.isDone) continue;
        known.isDone = true;
        if (!known.begun) emit('begin', { id: known.id });
        if (own) emit('phase', { id: known.id, when: 'setup', outcome: 'failed', exc: describe(own) });
        else if (child.mode === 'skip' || child.result?.state === 'skip') emit('phase', { id: known.id, when: 'call', outcome: 'skipped', note: 'skipped' });
        else emit('contradiction', { reason: `\`${known.id}\` never ended` });
        emit('finish', { id: known.id });
      }
      if (own && own !== held) emit('held', { what: `group (${[file, ...titles(group)].join(' > ')})`, outcome: 'failed', exc: describe(own), note: '' });
    };
    if (this.cases.size > 0) visit(task, null);
  }
}

const testsOf = (group) => group.tasks.flatMap((task) => (task.type === 'suite' ? testsOf(task) : [task]));
// Up to version 1 a file has a group of its own, without a name, around all that is in it.
const isOfFile = (group) => group === group.file || (group.name === '' && !group.suite);
const titles = (task) => [...(task.suite && task.suite !== task.file && !isOfFile(task.suite) ? titles(task.suite) : []), task.name];

export default class KoanRunner extends Runner {
  async onBeforeCollect(paths) {
    const files = paths.map((one) => inTree(typeof one === 'string' ? one : one.filepath ?? one));
    if (session === null) session = new Teller(files[0], this.config.name ?? '');
    if (files.length !== 1 || session.file !== files[0]) session.emit('contradiction', { reason: 'several files in one worker' });
    return super.onBeforeCollect?.(paths);
  }

  onCollectStart(file) {
    session ??= new Teller(inTree(file.filepath), this.config.name ?? '');
    return super.onCollectStart?.(file);
  }

  onCollected(files) {
    for (const file of files) session.collected(file);
    return super.onCollected?.(files);
  }

  async onBeforeRunTask(test) {
    session.begin(test);
    return super.onBeforeRunTask?.(test);
  }

  async runTask(test) {
    const fn = super.runTask ? () => super.runTask(test) : getFn(test);
    const known = session.cases.get(test);
    if (known) known.hasStarted = true;
    return session.run(test, fn);
  }

  async onAfterRunTask(test) {
    const result = await super.onAfterRunTask?.(test);
    session.done(test);
    return result;
  }

  async onAfterRunFiles(files) {
    const result = await super.onAfterRunFiles?.(files);
    for (const file of files ?? []) session.close(file);
    return result;
  }

  // What these were called up to version 0.34.
  async onBeforeRunTest(test) {
    session.begin(test);
    return super.onBeforeRunTest?.(test);
  }

  async runTest(test) {
    return this.runTask(test);
  }

  async onAfterRunTest(test) {
    const result = await super.onAfterRunTest?.(test);
    session.done(test);
    return result;
  }

  async onAfterRun(files) {
    const result = await super.onAfterRun?.(files);
    for (const file of files ?? []) session.close(file);
    return result;
  }
}
