// Drives mocha: one process, in which the tests run one after another.

'use strict';

const { tree, script, order, Child, run, only } = require('./koan_drive.cjs');

exports.drive = async (commands) => {
  const command = only(commands);
  if (command === null) return;
  const { nodeFlags, flags, words, env } = command;
  const child = new Child('mocha');
  const task = { tree, files: order.files, canary: order.canary, args: [...flags, ...words] };
  await run(child, [...nodeFlags, script('koan_mocha_main.cjs')], task, env);
};
