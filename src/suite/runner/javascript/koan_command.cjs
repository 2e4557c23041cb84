// Reads how the project calls its test runner: the words of the `test` script of `package.json`, without a shell. Only what is known to be
// harmless is taken over: what is loaded first, where the configuration is, which files hold tests.

'use strict';

const fs = require('fs');
const path = require('path');

// Flags that are taken over; `true` where a value follows.
const FLAGS = {
  nodeOptions: {
    '--import': true, '--require': true, '-r': true, '--loader': true, '--experimental-loader': true, '--conditions': true, '-C': true,
    '--experimental-vm-modules': false, '--experimental-strip-types': false, '--experimental-transform-types': false,
    '--experimental-test-module-mocks': false, '--experimental-test-isolation': true, '--enable-source-maps': false, '--no-warnings': false,
    '--experimental-specifier-resolution': true, '--experimental-json-modules': false, '--experimental-wasm-modules': false,
    '--experimental-sqlite': false, '--experimental-require-module': false, '--experimental-websocket': false, '--expose-gc': false,
    '--expose_gc': false, '--max-old-space-size': true, '--preserve-symlinks': false, '--stack-trace-limit': true, '--no-deprecation': false,
    '--throw-deprecation': false, '--unhandled-rejections': true, '--test-only': false, '--harmony': false, '--icu-data-dir': true,
    '--experimental-default-type': true, '--experimental-global-webcrypto': false, '--no-experimental-fetch': false, '--allow-natives-syntax': false,
  },
  jest: { '--config': true, '-c': true, '--env': true, '--testEnvironment': true, '--rootDir': true, '--selectProjects': true },
  vitest: { '--config': true, '-c': true, '--root': true, '-r': true, '--dir': true, '--environment': true, '--globals': false, '--project': true,
    '--mode': true },
  mocha: { '--require': true, '-r': true, '--import': true, '--loader': true, '--config': true, '--package': true, '--extension': true,
    '--ui': true, '-u': true, '--recursive': false, '--sort': false, '--timeout': true, '-t': true, '--file': true, '--ignore': true,
    '--exclude': true, '--spec': true, '--slow': true, '-s': true, '--check-leaks': false, '--delay': false, '--async-only': false,
    '--node-option': true, '--inline-diffs': false, '--grep': true, '-g': true, '--fgrep': true, '-f': true, '--invert': false, '-i': false,
    '--allow-uncaught': false },
  node: {},
};
// Other flags that a value follows; both are left out.
const DROPPED = new Set(['--reporter', '-R', '--reporters', '--reporter-option', '--reporter-options', '-O', '--test-reporter',
  '--test-reporter-destination', '--test-name-pattern', '--test-concurrency', '--test-timeout', '--test-shard', '--jobs', '-j', '--retries',
  '--maxWorkers', '-w', '--testTimeout', '--coverageDirectory', '--coverageReporters', '--outputFile', '--shard', '--pool', '--test-coverage-lines',
  '--test-coverage-branches', '--test-coverage-functions', '--test-coverage-exclude', '--test-coverage-include', '--test-skip-pattern']);
const WRAPPERS = new Set(['npx', 'cross-env', 'c8', 'nyc', 'env', 'dotenv', 'pnpm', 'yarn', 'bunx', 'exec', 'tap-spec', 'time']);
// Variables that programs are found, loaded or watched by: no script says what they are.
const OWN = /^(?:NODE_|KOAN|LD_|DYLD_|NPM_|GIT_|JEST_|VITEST|TEST_|MOCHA_|XDG_|TMP|TEMP|(?:PATH|HOME|PWD|SHELL|CI|IFS|ENV|BASH_ENV)$)/i;
// Programs that are `node` with something loaded first.
const LOADERS = { tsx: ['--import', 'tsx'], 'ts-node': ['--require', 'ts-node/register'], 'ts-node-esm': ['--loader', 'ts-node/esm'], borp: [], glob: [] };

// The commands of a line, each as words. What needs a shell to be understood is kept as it stands.
function commands(line) {
  const all = [[]];
  const pattern = /\s+|(&&|\|\||;|\||&)|((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\;&|])+)/g;
  for (const [, operator, word] of line.matchAll(pattern)) {
    if (operator) all.push([]);
    if (word) all.at(-1).push(word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, (_, a, b, c) => a?.replace(/\\(.)/g, '$1') ?? b ?? c));
  }
  return all.filter((words) => words.length > 0);
}

function manifest(folder) {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  } catch {
    return {};
  }
}

// `{nodeFlags, flags, words, env}` of each command that starts `runner`: all those of the first script that has any, the script `test` before others.
// Without a script that does, one command without words.
function read(tree, runner) {
  const { scripts = {} } = manifest(tree);
  const names = ['test', ...Object.keys(scripts).filter((name) => /test|unit|spec|mocha|jest/i.test(name) && name !== 'test')];
  for (const name of names) {
    const found = follow(scripts, name, runner, new Set());
    if (found.length > 0) return found;
  }
  return [{ nodeFlags: [], flags: [], words: [], env: {} }];
}

const CALLERS = new Set(['npm', 'yarn', 'pnpm', 'run-s', 'run-p', 'npm-run-all', 'npm-run-all2', 'bun']);

// Each script is followed once: the same command twice is one.
function follow(scripts, name, runner, seen) {
  if (typeof scripts[name] !== 'string' || seen.has(name)) return [];
  seen.add(name);
  return commands(scripts[name]).flatMap((words) => {
    const [program, ...rest] = words;
    if (CALLERS.has(program)) {
      const targets = rest.filter((word) => !word.startsWith('-') && word !== 'run').flatMap((word) => called(scripts, word));
      const found = targets.flatMap((target) => follow(scripts, target, runner, seen));
      if (found.length > 0) return found;
    }
    const found = parse(words, runner);
    return found === null ? [] : [found];
  });
}

// The scripts that a word of `run-s` names: `test:*` stands for each of one level more.
function called(scripts, word) {
  if (!word.includes('*')) return [word];
  const parts = word.split(':').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = parts.map((part) => (part === '**' ? '.*' : part.replace(/\*/g, '[^:]*'))).join(':');
  return Object.keys(scripts).filter((name) => new RegExp(`^${pattern}$`).test(name));
}

const shown = ({ nodeFlags, flags, words, env }, runner) => '`' + [...Object.entries(env).map((pair) => pair.join('=')), runner, ...nodeFlags, ...flags, ...words].join(' ') + '`';
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// The one command that runs what all of them run, or `{problem}` where there is none: a part of the tests proves nothing about the rest.
function union(all, runner) {
  const [first, ...others] = all;
  const rest = ({ nodeFlags, flags, env }) => [nodeFlags, flags, env.NODE_ENV];
  const other = others.find((one) => !same(rest(one), rest(first)));
  const bare = all.find(({ words }) => words.length === 0);
  const apart = other ?? (bare && all.find(({ words }) => words.length > 0));
  if (apart === undefined) return { ...first, words: [...new Set(all.flatMap(({ words }) => words))] };
  const one = apart === first ? bare : first;
  return { problem: `the project's script starts ${runner} more than once, and in different ways, of which one run can be no more than a part: ${shown(one, runner)} and ${shown(apart, runner)}` };
}

function parse(words, runner) {
  const nodeFlags = [];
  const env = {};
  words = [...words];
  const takeNode = (list) => {
    while (list.length > 0 && list[0].startsWith('-')) nodeFlags.push(...flag(list, FLAGS.nodeOptions));
  };
  let isNode = false;
  let isTest = false;
  while (words.length > 0) {
    const word = words[0];
    const program = path.basename(word).replace(/\.[cm]?js$/, '');
    const assignment = /^([A-Za-z_]\w*)=(.*)$/.exec(word);
    if (assignment) {
      words.shift();
      const [, name, value] = assignment;
      if ((name === 'NODE_ENV' || !OWN.test(name)) && /^[\w@%+:,./=-]*$/.test(value)) env[name] = value;
      if (assignment[1] === 'NODE_OPTIONS') takeNode(commands(assignment[2])[0] ?? []);
    } else if (program === runner || (program === '_mocha' && runner === 'mocha')) {
      if (runner !== 'node') {
        words.shift();
        return { nodeFlags, env, ...rest(words, FLAGS[runner]) };
      }
    } else if (WRAPPERS.has(program) || word.startsWith('-')) {
      words.shift();
      // The flags of a wrapper: a value may follow any of them.
      while (word !== program && words[0] && !words[0].startsWith('-')) words.shift();
      continue;
    } else if (program === 'jest' || program === 'vitest' || program === 'mocha') {
      return null;
    }
    if (assignment) continue;
    if (program === 'node' || program in LOADERS) {
      words.shift();
      isNode = true;
      nodeFlags.push(...(LOADERS[program] ?? []));
      isTest ||= program === 'borp';
      while (words.length > 0 && words[0].startsWith('-')) {
        isTest ||= words[0] === '--test';
        nodeFlags.push(...flag(words, FLAGS.nodeOptions));
      }
      if (runner === 'node') break;
      continue;
    }
    if (!['bin', 'run'].includes(program)) return null;
    words.shift();
  }
  const left = rest(words, FLAGS.nodeOptions);
  if (runner === 'node' && isNode && (isTest || left.words.some(isTestPath))) {
    return { nodeFlags: [...nodeFlags, ...left.flags], flags: [], words: left.words, env };
  }
  return null;
}

const isTestPath = (word) => /test|spec/i.test(word);

// Takes one flag off the list; what it is worth.
function flag(list, known) {
  const word = list.shift();
  const [name] = word.split('=');
  const hasValue = word.includes('=');
  if (name in known) {
    if (known[name] && !hasValue) return list.length > 0 ? [word, list.shift()] : [];
    return [word];
  }
  if (DROPPED.has(name) && !hasValue) list.shift();
  return [];
}

function rest(list, known) {
  const flags = [];
  const words = [];
  list = [...list];
  while (list.length > 0) {
    if (list[0].startsWith('-')) flags.push(...flag(list, known));
    else words.push(list.shift());
  }
  return { flags, words };
}

// ---- files ----

const SKIPPED = new Set(['node_modules', '.git', 'bower_components']);

// Every file of the tree, in a fixed order, relative to it.
function walk(tree) {
  const files = [];
  const visit = (folder) => {
    const entries = fs.readdirSync(path.join(tree, folder), { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const inner = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) SKIPPED.has(entry.name) || visit(inner);
      else if (entry.isFile()) files.push(inner);
    }
  };
  visit('');
  return files;
}

// A glob as shells and runners know it.
function glob(pattern) {
  let text = '';
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i];
    const rest = pattern.slice(i);
    if (rest.startsWith('**/')) (text += '(?:.*/)?'), (i += 2);
    else if (rest.startsWith('**')) (text += '.*'), (i += 1);
    else if (/^[?*+@!]\(/.test(rest)) {
      const end = pattern.indexOf(')', i);
      if (end < 0) return null;
      const inner = glob_alternatives(pattern.slice(i + 2, end));
      text += c === '!' ? `(?!(?:${inner}))[^/]*` : `(?:${inner})${c === '@' ? '' : c}`;
      i = end;
    } else if (c === '*') text += '[^/]*';
    else if (c === '?') text += '[^/]';
    else if (c === '{') (text += '(?:'), (depth += 1);
    else if (c === '}' && depth > 0) (text += ')'), (depth -= 1);
    else if (c === ',' && depth > 0) text += '|';
    else if (c === '[') {
      const end = pattern.indexOf(']', i + 1);
      if (end < 0) return null;
      text += '[' + pattern.slice(i + 1, end).replace(/^!/, '^').replace(/\\/g, '') + ']';
      i = end;
    } else text += c.replace(/[\\^$.|+()[\]{}]/, '\\$&');
  }
  try {
    return depth === 0 ? text : null;
  } catch {
    return null;
  }
}

const glob_alternatives = (inner) => inner.split('|').map((part) => glob(part) ?? '').join('|');

function matcher(pattern) {
  const text = glob(pattern.replace(/^\.\//, ''));
  try {
    const regex = new RegExp(`^${text}$`);
    return (file) => text !== null && regex.test(file);
  } catch {
    return () => false;
  }
}

module.exports = { commands, manifest, read, union, walk, matcher };
