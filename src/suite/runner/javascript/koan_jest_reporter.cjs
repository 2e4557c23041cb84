// What jest loads as its reporter: a part of the guard's program, which hands it out once.

'use strict';

module.exports = require.main.exports.take('reporter');
