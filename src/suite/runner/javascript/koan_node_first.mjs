// Loaded after the reporter and before the test file.

import { ready } from './koan_node_report.mjs';

await ready();
