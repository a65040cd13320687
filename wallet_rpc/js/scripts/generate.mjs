// Generates build/src/methods.ts, the types of every method, from openrpc.yaml: they cannot differ from the server's.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";
import { parse } from "yaml";

const here = new URL(".", import.meta.url);
const document = parse(await readFile(new URL("../../../openrpc.yaml", here), "utf8"));
const { methods, components } = document;

const nameOf = (method) => method.name.replace(/^wallet_/, "").replace(/_v0$/, "");
const pascal = (name) => name[0].toUpperCase() + name.slice(1);

/** A method's parameters as a tuple; parameters after the first optional one are optional too. */
function tupleOf(method) {
  const items = method.params.map((each) => each.schema);
  return { type: "array", items, minItems: method.params.filter((each) => each.required).length, maxItems: items.length };
}

const properties = Object.fromEntries(
  methods.flatMap((method) => [
    [`${pascal(nameOf(method))}Parameters`, tupleOf(method)],
    [`${pascal(nameOf(method))}Result`, method.result.schema],
  ]),
);
const definitions = Object.fromEntries(
  Object.entries(components.schemas).map(([name, schema]) => [name, { ...schema, title: name }]),
);
const root = { type: "object", additionalProperties: false, properties, required: Object.keys(properties), definitions };
const types = await compile(adjust(root), "WalletTypes", {
  additionalProperties: false,
  bannerComment: "// Generated from openrpc.yaml by scripts/generate.mjs; not to be edited.",
  format: false,
  unreachableDefinitions: true,
});

const rows = methods.map((method) => {
  const name = pascal(nameOf(method));
  return `  { Method: ${JSON.stringify(method.name)}; Parameters: WalletTypes["${name}Parameters"]; ReturnType: WalletTypes["${name}Result"] },`;
});
const names = methods.map((method) => `  ${nameOf(method)}: ${JSON.stringify(method.name)},`);
const schema = `
/** The wallet's methods, as viem's \`rpcSchema\`. */
export type WalletRpcSchema = [
${rows.join("\n")}
];

/** The wallet's methods by the names of their actions. */
export const METHODS = {
${names.join("\n")}
} as const;
`;
const documented = types.replaceAll(/ \* *\n \* This interface was referenced by [^*]*\n(?: \* via [^*]*\n)?/g, "");
await writeFile(new URL("../build/src/methods.ts", here), `${documented}${schema}`);

/** Write hex strings as viem's type of them, and a reference as the name of its type. */
function adjust(schema) {
  if (Array.isArray(schema)) return schema.map(adjust);
  if (schema === null || typeof schema !== "object") return schema;
  const { description } = schema;
  if (typeof schema.$ref === "string") return { description, tsType: schema.$ref.split("/").at(-1) };
  const isHex = schema.type === "string" && typeof schema.pattern === "string" && schema.pattern.startsWith("^0x");
  if (isHex) return { description, title: schema.title, tsType: "`0x${string}`" };
  const { discriminator, ...rest } = schema; // of OpenAPI; its mapping has paths, and no types
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, adjust(value)]));
}
