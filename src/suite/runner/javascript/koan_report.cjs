// Reports what tests do as JSON lines over a pipe, with facts about what was raised. It judges nothing.
//
// Loaded before any file of the tree. What test code can patch later is taken hold of now; the way to the pipe is a closure that is handed
// out once. Every line holds a number and a secret that is as old as the process, so that a line from anywhere else is told apart.

'use strict';

const fs = require('fs');
const path = require('path');
const { randomBytes } = require('crypto');

const { writeSync, readFileSync } = fs;
const { stringify, parse } = JSON;
const { apply, getPrototypeOf, setPrototypeOf, ownKeys } = Reflect;
const { isArray } = Array;
const cut = (text, from, to) => apply(''.slice, text, [from, to]);
// Half of a surrogate pair is no text that could be written.
const { toWellFormed } = String.prototype;
const wellFormed = (text) => apply(toWellFormed, text, []);

const MAX_FRAMES = 50;
const MAX_TEXT = 400;

// Nothing of the tree's may say how a value is written: a `toJSON` on a prototype would.
function plain(value) {
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value !== 'object' || value === null) return value;
  const copy = isArray(value) ? [] : {};
  setPrototypeOf(copy, null);
  const keys = ownKeys(value);
  for (let i = 0; i < keys.length; i++) {
    if (isArray(value) && keys[i] === 'length') continue;
    copy[keys[i]] = plain(value[keys[i]]);
  }
  return copy;
}

let isOpen = false;

// The only way to the pipe. `stream` says what the lines are about: one file, or `null` for the whole run.
exports.open = (fd, stream) => {
  if (isOpen) throw new Error('the report is open already');
  isOpen = true;
  const secret = randomBytes(16).toString('hex');
  let n = 0;
  const emit = (event, facts) => {
    const rest = facts === undefined ? '}' : ',' + cut(stringify(plain(facts)), 1);
    const start = '{"secret":"' + secret + '","n":' + n + ',"event":"' + event + '"';
    n += 1;
    writeSync(fd, start + (rest === ',}' ? '}' : rest) + '\n');
  };
  emit('open', { stream });
  return emit;
};

// What this process is asked to do, and no trace of it left for the tests to find.
exports.takeTask = () => {
  const task = parse(process.env.KOAN_TASK);
  delete process.env.KOAN_TASK;
  return task;
};

// Past everything that a test left to run at exit.
const { reallyExit } = process;
exports.leave = (status) => apply(reallyExit, process, [status]);

// ---- facts ----

const stripAnsi = (text) => text.replace(/\u001b\[[0-9;]*m/g, '');

const oneLine = (text) => {
  const lines = stripAnsi(String(text)).split('\n').map((line) => line.trim()).filter(Boolean);
  return lines.join(' ').slice(0, MAX_TEXT);
};
exports.oneLine = oneLine;

const TEST_FOLDERS = new Set(['test', 'tests', '__tests__', '__test__', 'spec', 'specs', '__mocks__', '__fixtures__', 'testing', 'e2e']);

const isTestCode = (file) => {
  const parts = file.split('/');
  const name = parts.pop();
  return parts.some((part) => TEST_FOLDERS.has(part)) || /(?:^|[.\-_])(?:test|tests|spec)\.[cm]?[jt]sx?$|^test-/.test(name);
};

// A function from what was thrown to facts about it. `testFiles` are files of the tree that hold tests whatever they are called.
exports.describer = (tree, testFiles = new Set()) => {
  const root = path.join(tree, '/');
  const roots = [root, path.join(fs.realpathSync(tree), '/')];
  const inTree = (file) => {
    for (const start of roots) {
      if (file.startsWith(start)) {
        const inner = file.slice(start.length);
        return /(?:^|\/)node_modules\//.test(inner) ? undefined : inner;
      }
    }
    return undefined;
  };
  const place = (file) => {
    const inner = inTree(file);
    if (inner === undefined) return 'other';
    return testFiles.has(inner) || isTestCode(inner) ? 'test' : 'tree';
  };

  const describe = (error) => {
    const isObject = (typeof error === 'object' && error !== null) || typeof error === 'function';
    if (!isObject) {
      const facts = { kind: 'Thrown', bases: ['Thrown', typeof error], message: oneLine(error), innermost: 'none', nearest: 'none' };
      return { ...facts, owner: null, frames: [] };
    }
    const bases = [];
    for (let at = getPrototypeOf(error); at !== null && bases.length < 20; at = getPrototypeOf(at)) {
      const name = Object.getOwnPropertyDescriptor(at, 'constructor')?.value?.name;
      if (typeof name === 'string' && name !== '' && name !== 'Object') bases.push(name);
    }
    // A class of an assertion library may be anonymous or minified; its name says what it is.
    if (typeof error.name === 'string' && error.name.startsWith('AssertionError') && !bases.includes('AssertionError')) bases.push('AssertionError');
    if (bases.length === 0) bases.push(typeof error.name === 'string' ? error.name : 'Object');
    const frames = frames_of(typeof error.stack === 'string' ? error.stack : '', error);
    const places = frames.map(({ file }) => place(file));
    const nearest = places.findIndex((at) => at !== 'other');
    const code = typeof error.code === 'string' ? ` [${error.code}]` : '';
    const own = frames.filter(({ file }) => inTree(file) !== undefined);
    return {
      kind: bases[0],
      bases,
      message: oneLine(`${error.message ?? ''}${code}`.split(root).join('')),
      innermost: places[0] ?? 'none',
      nearest: nearest < 0 ? 'none' : places[nearest],
      owner: nearest >= 0 && places[nearest] === 'test' ? owner(frames[nearest], String(error.message)) : null,
      frames: own.slice(0, MAX_FRAMES).map(({ file, name, line }) => ({ file: inTree(file), function: name, line })),
    };
  };

  // Of what a test read a property that was undefined: of something imported from the tree, or of a value that it got.
  const owner = (frame, message) => {
    if (!/^Cannot (?:read|set) propert|^Cannot destructure|undefined \(reading/.test(message)) return null;
    try {
      const text = fs.readFileSync(frame.file, 'utf8');
      const line = text.split('\n')[frame.line - 1];
      const names = imported(text);
      if (line === undefined || names.size === 0) return 'unknown';
      const wanted = /\(reading '([^']*)'\)|\(setting '([^']*)'\)/.exec(message);
      const key = wanted && (wanted[1] ?? wanted[2]);
      const chains = line.matchAll(/(?<![\w$.)\]'"`])([A-Za-z_$][\w$]*)((?:\??\.[A-Za-z_$][\w$]*)*)/g);
      for (const [, first, rest] of chains) {
        const parts = rest.split(/\??\./);
        if (names.has(first) && (key === null || parts.includes(key) || rest === '')) return 'module';
      }
      return 'instance';
    } catch {
      return 'unknown';
    }
  };

  return (error) => {
    try {
      return describe(error);
    } catch (other) {
      const facts = { kind: 'Unreadable', bases: ['Unreadable'], message: 'what was thrown cannot be read', innermost: 'none', nearest: 'none' };
      return { ...facts, owner: 'unknown', frames: [] };
    }
  };
};

// The names that a module binds by importing from the tree: relative specifiers, subpath imports, and aliases.
function imported(text) {
  const names = new Set();
  const add = (clause, specifier) => {
    if (/^(?:node:|assert|chai|vitest|mocha|@jest\/|sinon)/.test(specifier)) return;
    for (const name of clause.replace(/\btype\s/g, '').split(/[{},\s]+/)) {
      if (/^[A-Za-z_$][\w$]*$/.test(name) && name !== 'as' && name !== 'default') names.add(name);
    }
  };
  for (const [, clause, specifier] of text.matchAll(/\bimport\s+([^'";]+?)\s+from\s*['"]([^'"]+)['"]/g)) add(clause, specifier);
  const bound = /\b(?:const|let|var)\s+([^=;]+?)\s*=\s*(?:await\s+import|require)\s*\(\s*['"]([^'"]+)['"]/g;
  for (const [, clause, specifier] of text.matchAll(bound)) add(clause.replace(/:/g, ' '), specifier);
  return names;
}

function frames_of(stack, error) {
  const frames = [];
  for (const line of stack.split('\n')) {
    const match = /^\s*at (?:(.*?) \()?(?:async )?((?:file:\/\/)?\/[^()]*?):(\d+):(\d+)\)?$/.exec(line);
    if (match) {
      let file = match[2].replace(/^file:\/\//, '').replace(/\?.*$/, '');
      try {
        file = decodeURIComponent(file);
      } catch {}
      frames.push({ name: (match[1] ?? '').replace(/^(?:async|new) /, ''), file, line: Number(match[3]) });
    } else if (/^\s*at /.test(line)) {
      // Of the engine, or of a module of Node's own.
      frames.push({ name: '', file: '', line: 0 });
    }
  }
  // An assertion raised for the framework's own sake begins with the frames of the library.
  return error?.code === 'ERR_TEST_FAILURE' ? [] : frames;
}

// ---- ids ----

// `FILE::SUITE > TEST`, and a number where a name comes again.
exports.namer = () => {
  const seen = new Map();
  return (file, titles) => {
    const id = wellFormed(`${file}::${titles.map((title) => oneLine(title)).join(' > ')}`);
    const n = (seen.get(id) ?? 0) + 1;
    seen.set(id, n);
    return n === 1 ? id : `${id}#${n}`;
  };
};

// A test's function with somebody beside it who sees what it raises, whatever the framework is told later.
exports.watched = (fn, saw) => {
  const then = (value, ok, failed) => apply(value.then, value, [ok, failed]);
  const call = (self, args) => {
    let value;
    try {
      value = apply(fn, self, args);
    } catch (error) {
      saw.raised(error);
      throw error;
    }
    if (value !== null && typeof value === 'object' && typeof value.then === 'function') {
      return then(value, (result) => (saw.ended(), result), (error) => {
        saw.raised(error);
        throw error;
      });
    }
    return value;
  };
  if (fn.length === 0) {
    return function () {
      const value = call(this, arguments);
      if (value === null || typeof value !== 'object' || typeof value.then !== 'function') saw.ended();
      return value;
    };
  }
  return function (done) {
    const mine = (...args) => {
      if (args[0]) saw.raised(args[0]);
      else saw.ended();
      return apply(done, undefined, args);
    };
    Object.setPrototypeOf(mine, done);
    if (typeof done.fail === 'function') {
      mine.fail = (...args) => {
        saw.raised(args[0] ?? new Error('done.fail()'));
        return apply(done.fail, done, args);
      };
    }
    return call(this, [mine]);
  };
};
