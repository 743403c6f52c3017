// Print every fault that AsyncAPI's own parser finds in a document:
// node faults.mjs FILE [least serious: error, warning, information]
import { readFile } from 'node:fs/promises';
import { Parser } from '@asyncapi/parser';

const [file, least = 'error'] = process.argv.slice(2);
const names = ['error', 'warning', 'information', 'hint'];
const faults = await new Parser().validate(await readFile(file, 'utf8'));
const serious = faults.filter(({ severity }) => severity <= names.indexOf(least));
for (const { severity, code, path, message } of serious) {
  console.log(`${names[severity]} ${code} at ${path.join('.')}: ${message}`);
}
