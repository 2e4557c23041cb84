// Drives jest: one process, in which the tests run one after another.

'use strict';

const { tree, script, order, Child, run } = require('./koan_drive.cjs');

exports.drive = async ({ nodeFlags, flags }) => {
  const child = new Child('jest');
  const task = { tree, files: order.files, canary: order.canary, seed: order.seed, flags };
  await run(child, [...nodeFlags, script('koan_jest_main.cjs')], task);
};
