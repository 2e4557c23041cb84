// The reporter inside each process of `node:test`. It is loaded before the test file, by `--import`, and node:test gets the same module.

import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

const require = createRequire(import.meta.url);
const { open, takeTask, leave, describer, oneLine, namer } = require('./koan_report.cjs');

// A process that a test starts in the same way has nothing to report.
const task = process.env.KOAN_TASK === undefined ? null : takeTask();
const session = task && begin(task);
let isTaken = false;
const first = randomUUID();

// A test of the guard's own makes node:test ask for its reporter now, before anybody else can ask for it. Awaited by a module after this
// one: node:test gets this one only when it is loaded.
export async function ready() {
  if (!session) return;
  test(first, { skip: true });
  const { hrtime } = process;
  for (const start = hrtime.bigint(); !isTaken; await new Promise(setImmediate)) {
    if (hrtime.bigint() - start > 10_000_000_000n) leave(3);
  }
}

function begin({ tree, file }) {
  const emit = open(3, null);
  process.execArgv.splice(0);
  const describe = describer(tree, new Set([file]));
  const state = { emit, describe, file, uncaught: null, hasTests: false };
  process.on('uncaughtExceptionMonitor', (error) => (state.uncaught ??= { error }));
  // Whoever leaves before the report has ended has tests that were not run.
  process.on('exit', (status) => {
    if (state.hasTests) return;
    const exc = state.uncaught && describe(state.uncaught.error);
    emit('not_collected', { what: file, detail: exc === null ? `it left with status ${status}` : '', exc });
    emit('end', { status: 1 });
    leave(1);
  });
  return state;
}

// No `function`, which node:test would take for a class.
export default (source) => {
  if (isTaken) session?.emit('contradiction', { reason: 'somebody else started the reporter' });
  const state = isTaken ? null : session;
  isTaken = true;
  return tell(state, source);
};

async function* tell(state, source) {
  if (state === null) return;
  const { emit, describe, file } = state;
  const name = namer();
  const open = [];
  let anyFailed = false;

  const phase = (id, facts) => {
    anyFailed ||= facts.outcome === 'failed';
    emit('phase', { id, ...facts });
  };

  const ended = (event, { name: title, nesting, details, skip, todo }) => {
    const path = [...open.slice(0, nesting), title];
    open.length = nesting;
    const error = details.error;
    const type = error?.failureType;
    if (details.type === 'suite') {
      if (event === 'test:fail' && type !== 'subtestsFailed') {
        anyFailed = true;
        emit('held', { what: `suite (${file}::${path.map(oneLine).join(' > ')})`, outcome: 'failed', exc: describe(error.cause ?? error), note: '' });
      }
      return;
    }
    const id = name(file, path);
    if (skip !== undefined && skip !== false) {
      emit('left_out', { id, detail: typeof skip === 'string' ? oneLine(skip) : 'skipped' });
      return;
    }
    emit('plan', { id });
    emit('begin', { id });
    const cause = error?.cause instanceof Object ? error.cause : (error ?? null);
    if (todo !== undefined && todo !== false) {
      phase(id, { when: 'call', outcome: 'skipped', xfail: true, exc: error ? describe(cause) : null, note: 'todo' });
    } else if (event === 'test:pass') {
      phase(id, { when: 'call', outcome: 'passed', exc: error ? describe(cause) : null });
    } else if (type === 'subtestsFailed' || type === 'hookFailed' || type === 'cancelledByParent' || type === 'parentAlreadyFinished') {
      // Nothing of the test's own went wrong, or it never ran.
      phase(id, { when: 'setup', outcome: 'failed', exc: type === 'hookFailed' ? describe(cause) : null, note: oneLine(error.message ?? type) });
    } else {
      phase(id, { when: 'call', outcome: 'failed', exc: describe(cause) });
    }
    emit('finish', { id });
  };

  for await (const { type, data } of source) {
    if (data?.name === first) continue;
    if (type === 'test:enqueue' && !state.hasTests) {
      state.hasTests = true;
      emit('collected', { file });
    }
    if (type === 'test:start') {
      open[data.nesting] = data.name;
      open.length = data.nesting + 1;
    } else if (type === 'test:pass' || type === 'test:fail') {
      ended(type, data);
    }
  }
  if (state.uncaught !== null && !anyFailed) {
    anyFailed = true;
    emit('not_collected', { what: file, detail: '', exc: describe(state.uncaught.error) });
  }
  if (!state.hasTests && !anyFailed) {
    emit('skipped_file', { what: file, detail: 'it holds no tests of node:test' });
    state.hasTests = true;
  }
  const status = anyFailed ? 1 : 0;
  emit('end', { status });
  leave(status);
}
