// Which test files the touched files stand for.

'use strict';

const fs = require('fs');
const path = require('path');

// The touched test files themselves, or, for fixtures, snapshots and helpers, the tests of the nearest folder that has any. The canary's own
// file at the top of the tree is always among them, and last.
exports.nearest = ({ tree, files, canary }, all) => {
  const isCanary = (file) => canary !== null && file.includes(canary);
  const known = new Set(all);
  const found = new Set();
  for (const file of files ?? all) {
    if (known.has(file)) {
      found.add(file);
    } else if (!isCanary(file) && fs.existsSync(path.join(tree, file))) {
      for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
        const inside = all.filter((one) => !isCanary(one) && (folder === '.' || one.startsWith(folder + '/')));
        inside.forEach((one) => found.add(one));
        if (inside.length > 0 || folder === '.') break;
      }
    }
  }
  const own = fs.readdirSync(tree).filter(isCanary);
  return [...[...found].filter((file) => !own.includes(file)), ...own];
};
