// Compiles every contract of this folder with the pinned compiler and writes build/contracts.json:
// name -> { runtime code, selectors, storage slots by variable name }, and EntryPoint's creation code.
// A warning of the compiler is an error.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const solc = require("solc");
const here = dirname(fileURLToPath(import.meta.url));
const names = readdirSync(here).filter((name) => name.endsWith(".sol")).sort();
const sources = Object.fromEntries(names.map((name) => [name, { content: readFileSync(join(here, name), "utf8") }]));

const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources,
      settings: {
        evmVersion: "prague",
        optimizer: { enabled: true, runs: 200 },
        viaIR: true,
        metadata: { appendCBOR: false, bytecodeHash: "none" },
        outputSelection: { "*": { "*": ["evm.deployedBytecode.object", "evm.methodIdentifiers", "storageLayout"] } },
      },
    }),
  ),
);
for (const { formattedMessage } of output.errors ?? []) console.error(formattedMessage);
if (output.errors?.length) process.exit(1);

const contracts = {};
for (const file of Object.values(output.contracts)) {
  for (const [name, { evm, storageLayout }] of Object.entries(file)) {
    if (!evm.deployedBytecode.object) continue;
    contracts[name] = {
      code: "0x" + evm.deployedBytecode.object,
      selectors: evm.methodIdentifiers,
      slots: Object.fromEntries(storageLayout.storage.map(({ label, slot }) => [label, Number(slot)])),
    };
  }
}
const entryPoint = require("@account-abstraction/contracts/artifacts/EntryPoint.json");
const built = { compiler: solc.version(), entryPointCreationCode: entryPoint.bytecode, contracts };
mkdirSync(join(here, "build"), { recursive: true });
writeFileSync(join(here, "build", "contracts.json"), JSON.stringify(built, null, 1) + "\n");
console.log(`Compiled ${names.length} files with solc ${solc.version()}`);
