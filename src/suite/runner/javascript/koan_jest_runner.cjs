// What jest loads as its runner: a part of the guard's program, which hands it out once.

'use strict';

module.exports = require.main.exports.take('runner');
