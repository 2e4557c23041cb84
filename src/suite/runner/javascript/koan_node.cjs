// Drives `node:test`: each file in a process of its own, as `node --test` does, with the guard's reporter inside.

'use strict';

const fs = require('fs');
const path = require('path');
const { tree, script, contradict, wantedFiles, Child, run } = require('./koan_drive.cjs');
const { walk, matcher } = require('./koan_command.cjs');

exports.drive = async (commands) => {
  // Each file is a process of its own, so each has the flags of the command that names it.
  const flagsOf = new Map();
  for (const { nodeFlags, words } of commands) {
    for (const file of testFiles(nodeFlags, words)) {
      const known = flagsOf.get(file) ?? nodeFlags;
      if (known.join('\n') !== nodeFlags.join('\n')) {
        return contradict(`the project's script runs \`${file}\` more than once, and with different flags of Node.js`);
      }
      flagsOf.set(file, known);
    }
  }
  const files = wantedFiles([...flagsOf.keys()]);
  const reporter = script('koan_node_report.mjs');
  const own = ['--import', reporter, '--import', script('koan_node_first.mjs'), `--test-reporter=${reporter}`, '--test-reporter-destination=stdout'];
  for (const file of files) {
    const nodeFlags = flagsOf.get(file) ?? commands[0].nodeFlags;
    const flags = nodeFlags.filter((flag) => flag !== '--test' && !flag.startsWith('--experimental-test-isolation'));
    const child = new Child(`\`${file}\``);
    await run(child, [...own, ...flags, path.join(tree, file)], { tree, file });
  }
  return undefined;
};

// Where `node --test` looks: at the paths that the project's script names, else everywhere.
function testFiles(nodeFlags, words) {
  const speaksTypes = nodeFlags.some((flag) => /tsx|ts-node|swc|strip-types|transform-types|esbuild|typescript/.test(flag)) || Boolean(process.features.typescript);
  const extensions = speaksTypes ? ['js', 'mjs', 'cjs', 'ts', 'mts', 'cts', 'tsx', 'jsx'] : ['js', 'mjs', 'cjs'];
  const isSource = (file) => extensions.includes(file.split('.').at(-1)) && !file.endsWith('.d.ts');
  const all = walk(tree);
  const isDefault = (file) => {
    const parts = file.split('/');
    const stem = parts.pop().replace(/\.[^.]*$/, '');
    return isSource(file) && (parts.includes('test') || /^test$|^test-.|.[.\-_]test$/.test(stem));
  };
  if (words.length === 0) return all.filter(isDefault);
  const found = new Set();
  for (const word of words) {
    const inner = path.posix.normalize(word).replace(/\/$/, '');
    const stat = fs.statSync(path.join(tree, inner), { throwIfNoEntry: false });
    if (stat?.isFile()) found.add(inner);
    else if (stat?.isDirectory()) all.filter((file) => isSource(file) && (inner === '.' ? isDefault(file) : file.startsWith(inner + '/'))).forEach((file) => found.add(file));
    else all.filter(matcher(word)).filter(isSource).forEach((file) => found.add(file));
  }
  return [...found].filter((file) => !file.includes('/fixtures/') || words.some((word) => word.includes('fixtures')));
}
