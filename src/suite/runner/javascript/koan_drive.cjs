// Drives one of JavaScript's test frameworks: finds the test files, starts the framework in a process of its own with a reporter of the
// guard's, and passes on what that reports. No file of the tree is ever loaded here.

'use strict';

const fs = require('fs');
const path = require('path');
const { spawn } = require('child_process');
const { randomBytes } = require('crypto');
const { nearest } = require('./koan_files.cjs');
const { read, union } = require('./koan_command.cjs');

const order = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const { tree } = order;
const script = (name) => path.join(__dirname, name);

// ---- the report ----

const fd = Number(process.env.KOAN_REPORT_FD);
delete process.env.KOAN_REPORT_FD;
const secret = randomBytes(16).toString('hex');
let count = 0;
let anyFailed = false;

function emit(event, facts = {}) {
  let bytes = Buffer.from(JSON.stringify({ secret, n: count, event, ...facts }) + '\n');
  count += 1;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(fs.writeSync(fd, bytes));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

function leave() {
  emit('end', { status: anyFailed ? 1 : 0 });
  process.exit(anyFailed ? 1 : 0);
}

const contradict = (reason) => emit('contradiction', { reason });
const notCollected = (what, detail, exc = null) => {
  anyFailed = true;
  emit('not_collected', { what, detail, exc, holds_canary: holdsCanary(what) });
};

// ---- which tests ----

const isCanary = (text) => order.canary !== null && text.includes(order.canary);
const tests = order.tests && new Set(order.tests);
const isWanted = (id) => tests === null || tests.has(id) || isCanary(id);

function holdsCanary(file) {
  try {
    return isCanary(fs.readFileSync(path.join(tree, file), 'latin1'));
  } catch {
    return false;
  }
}

const wantedFiles = (all) => nearest(order, all);

// ---- what a child says ----

// One process of the framework. Its pipe carries one stream for the whole run, or one for each file.
class Child {
  constructor(what) {
    this.what = what;
    this.streams = new Map();
    this.begun = new Set();
    this.finished = new Set();
    this.planned = [];
    this.anyFailed = false;
    this.status = null;
    this.rest = '';
    this.isBad = false;
    this.collected = new Set();
    this.paths = {};
    this.sung = new Set();
  }

  bad(reason) {
    if (!this.isBad) contradict(`${this.what}: ${reason}`);
    this.isBad = true;
  }

  take(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop();
    lines.forEach((line) => this.isBad || this.line(line));
  }

  line(text) {
    let line;
    try {
      line = JSON.parse(text);
    } catch {
      return this.bad('a line of the report is not ours');
    }
    const { secret, n, event, ...facts } = line;
    let stream = this.streams.get(secret);
    if (event === 'open') {
      // Each file's stream is opened before any of its code is loaded, so that a second one is somebody else's.
      const isFirst = stream === undefined && n === 0 && ![...this.streams.values()].some(({ name }) => name === facts.stream);
      const isExpected = this.streams.size === 0 ? facts.stream === null : this.files?.has(facts.stream);
      if (!isFirst || !isExpected) return this.bad('somebody else opened a report');
      this.streams.set(secret, { n: 1, name: facts.stream });
      return undefined;
    }
    if (stream === undefined || stream.n !== n || this.status !== null) return this.bad('a line of the report is not ours');
    stream.n += 1;
    return this.event(event, facts);
  }

  event(event, facts) {
    const { id } = facts;
    switch (event) {
      case 'files':
        this.files = new Set(facts.files);
        this.paths = facts.paths ?? {};
        return undefined;
      case 'collected':
        this.collected.add(facts.file);
        return undefined;
      case 'end':
        this.status = facts.status;
        return undefined;
      case 'contradiction':
        return this.bad(facts.reason);
      case 'not_collected':
        this.anyFailed = true;
        return notCollected(facts.what, facts.detail ?? '', facts.exc ?? null);
      case 'held':
        this.anyFailed ||= facts.outcome === 'failed';
        anyFailed ||= facts.outcome === 'failed';
        return emit(event, facts);
      case 'skipped_file':
        return emit(event, facts);
      case 'plan':
      case 'left_out':
      case 'begin':
      case 'phase':
      case 'finish':
        break;
      default:
        return this.bad('a line of the report is not ours');
    }
    if (event === 'plan') this.planned.push(id);
    if (event === 'plan' && isCanary(id)) this.sung.add(id.split('::')[0]);
    const isFailed = event === 'phase' && facts.outcome === 'failed';
    this.anyFailed ||= isFailed;
    if (!isWanted(id)) return undefined;
    anyFailed ||= isFailed;
    if (event === 'begin') this.begun.add(id);
    if (event === 'finish') this.finished.add(id);
    if (event === 'phase') facts = { xfail: false, exc: null, note: '', ...facts };
    return emit(event, facts);
  }

  // Whether what it said and how it ended agree.
  close(status, signal) {
    if (this.rest !== '') this.bad('a line of the report is cut off');
    if (this.isBad) return;
    const end = signal === null ? `ended with status ${status}` : `was killed by ${signal}`;
    if (this.status === null) {
      const running = [...this.begun].find((id) => !this.finished.has(id));
      this.bad(`the report has no end: the test process ${end}${running ? ` while \`${running}\` ran` : ''}`);
    } else if (this.status !== status) {
      this.bad(`the report says status ${this.status}, the process ${end}`);
    } else if ((status === 0) === this.anyFailed) {
      this.bad(`status ${status} does not agree with the results`);
    }
    for (const file of this.collected) {
      if (holdsCanary(this.paths[file] ?? file) && !this.sung.has(file)) this.bad(`\`${file}\` ran without the test that must fail`);
    }
  }
}

function run(child, args, task, env = {}) {
  return new Promise((done) => {
    // What the policy gives wins over what the project's script says.
    const options = { cwd: tree, stdio: ['ignore', 'inherit', 'inherit', 'pipe'], env: { ...env, ...process.env } };
    options.env.KOAN_TASK = JSON.stringify(task);
    const started = spawn(process.execPath, args, options);
    const pipe = started.stdio[3];
    let end = null;
    let isClosed = false;
    const finish = () => {
      if (end !== null && isClosed) {
        child.close(...end);
        done();
      }
    };
    pipe.setEncoding('utf8');
    pipe.on('data', (text) => child.take(text));
    pipe.on('close', () => ((isClosed = true), finish()));
    // A process that outlives its parent holds the pipe open; what it says then is nobody's.
    started.on('exit', (status, signal) => {
      end = [status, signal];
      setTimeout(() => pipe.destroy(), 2000).unref();
      finish();
    });
  });
}

// The one command of a framework that runs all files in one process; `null` where the project's commands cannot be one.
function only(commands) {
  const command = union(commands, order.runner);
  if (command.problem === undefined) return command;
  contradict(command.problem);
  return null;
}

module.exports = { order, tree, script, emit, leave, contradict, notCollected, isCanary, wantedFiles, Child, run, only };

emit('start');
const driver = require(`./koan_${order.runner}.cjs`);
driver.drive(read(tree, order.runner)).then(leave, (error) => {
  console.error(error);
  process.exit(3);
});
