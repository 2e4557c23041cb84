// Drives jest: one process, in which the tests run one after another.

'use strict';

const { tree, script, order, Child, run, only } = require('./koan_drive.cjs');

exports.drive = async (commands) => {
  // Its words are left out: they select among what the configuration says.
  const command = only(commands.map((one) => ({ ...one, words: [] })));
  if (command === null) return;
  const { nodeFlags, flags, env } = command;
  const child = new Child('jest');
  const task = { tree, files: order.files, canary: order.canary, seed: order.seed, flags };
  await run(child, [...nodeFlags, script('koan_jest_main.cjs')], task, env);
};
