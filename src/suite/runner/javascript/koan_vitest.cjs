// Drives vitest: a process of the framework, and in it a worker for each file, one after another.

'use strict';

const { tree, script, order, Child, run, only } = require('./koan_drive.cjs');

exports.drive = async (commands) => {
  // Its words are left out: they select among what the configuration says.
  const command = only(commands.map((one) => ({ ...one, words: [] })));
  if (command === null) return;
  const { nodeFlags, flags, env } = command;
  const child = new Child('vitest');
  const task = { tree, files: order.files, canary: order.canary, seed: order.seed, args: flags };
  await run(child, [...nodeFlags, script('koan_vitest_main.mjs')], task, env);
};
