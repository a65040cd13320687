// Validates OpenRPC documents by the official meta schema, and resolves their references, without any network.
// Prints a line for each document: valid, or the error's first line.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const offline = () => {
  throw new Error("the network was used");
};
net.Socket.prototype.connect = offline;
globalThis.fetch = offline;

const { validateOpenRPCDocument, dereferenceDocument } = require("@open-rpc/schema-utils-js");
const { dereference } = await import(pathToFileURL(require.resolve("@apidevtools/json-schema-ref-parser")).href);

const Ajv = require("ajv");
const byMetaSchema = new Ajv()
  .addSchema(require("@json-schema-tools/meta-schema").default, "https://meta.json-schema.tools")
  .compile(require("@open-rpc/meta-schema").default);

async function check(document) {
  if (!byMetaSchema(document)) throw new Error(JSON.stringify(byMetaSchema.errors));
  const validity = validateOpenRPCDocument(document);
  if (validity !== true) throw validity;
  for (const resolve of [dereferenceDocument, dereference]) {
    const text = JSON.stringify(await resolve(structuredClone(document)));
    if (text.includes('"$ref"')) throw new Error(`${resolve.name} left references`);
  }
}

for (const file of files) {
  const result = check(JSON.parse(readFileSync(file, "utf8"))).then(() => "valid");
  console.log(await result.catch((error) => `invalid: ${error.message.split("\n")[0]}`));
}
