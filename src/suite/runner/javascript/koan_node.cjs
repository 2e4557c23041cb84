// Drives `node:test`: each file in a process of its own, as `node --test` does, with the guard's reporter inside.

'use strict';

const fs = require('fs');
const path = require('path');
const { tree, script, contradict, wantedFiles, Child, run } = require('./koan_drive.cjs');
const { walk, matcher } = require('./koan_command.cjs');

exports.drive = async (commands) => {
  // Each file is a process of its own, so each has the flags of the command that names it.
  const commandOf = new Map();
  const how = ({ nodeFlags, env }) => JSON.stringify([nodeFlags, env]);
  for (const command of commands) {
    for (const file of testFiles(command.nodeFlags, command.words)) {
      const known = commandOf.get(file) ?? command;
      if (how(known) !== how(command)) {
        return contradict(`the project's script runs \`${file}\` more than once, and with different flags of Node.js`);
      }
      commandOf.set(file, known);
    }
  }
  const files = wantedFiles([...commandOf.keys()]);
  const reporter = script('koan_node_report.mjs');
  const own = ['--import', reporter, '--import', script('koan_node_first.mjs'), `--test-reporter=${reporter}`, '--test-reporter-destination=stdout'];
  for (const file of files) {
    const { nodeFlags, env } = commandOf.get(file) ?? commands[0];
    const flags = nodeFlags.filter((flag) => flag !== '--test' && !flag.startsWith('--experimental-test-isolation'));
    const child = new Child(`\`${file}\``);
    await run(child, [...own, ...flags, path.join(tree, file)], { tree, file }, env);
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
