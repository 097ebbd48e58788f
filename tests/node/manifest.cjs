// Holds an add-in's manifest against what Microsoft published: its converter has to read it, and what comes out has to fit
// the JSON schemas of the unified manifest, which the package brings along. Nothing is fetched.
//
// usage: node manifest.cjs TOOLS MANIFEST.xml FOLDER     TOOLS: the folder with node_modules, FOLDER: an empty one
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [tools, manifest, folder] = process.argv.slice(2);
const take = createRequire(path.join(path.resolve(tools), 'x.js'));
const { convert } = take('office-addin-manifest-converter/lib/main.js');
const Ajv = take('ajv-draft-04').default;
const formats = take('ajv-formats').default;

const schemas = path.join(path.dirname(take.resolve('@microsoft/app-manifest')), 'json-schemas', 'teams');

function check(file) {
  const json = JSON.parse(fs.readFileSync(file, 'utf8'));
  const named = /teams\/(v[\d.]+)\/([\w.]+\.json)/.exec(json.$schema);
  const schema = JSON.parse(fs.readFileSync(path.join(schemas, named[1], named[2]), 'utf8'));
  // The schemas' patterns are of the time before Unicode's rules.
  const ajv = new Ajv({ allErrors: true, strict: false, unicodeRegExp: false });
  formats(ajv);
  if (ajv.validate(schema, json)) return [];
  return ajv.errors.map((e) => `${path.basename(file)}${e.instancePath}: ${e.message}`);
}

(async () => {
  await convert(manifest, folder, false, null, null, false);
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.json'));
  const errors = files.flatMap((name) => check(path.join(folder, name)));
  const json = JSON.parse(fs.readFileSync(path.join(folder, 'manifest.json'), 'utf8'));
  console.log(JSON.stringify({ files, errors, manifest: json }));
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
