// Run viem/wallet.ts against the server in this module's query, once more for each query.
const { search, searchParams } = new URL(import.meta.url);
const { WALLET_URL, NODE_URL } = process.env;
process.env.WALLET_URL = process.env.NODE_URL = String(searchParams.get("url"));
try {
  await import(`../viem/wallet.js${search}`);
} finally {
  Object.assign(process.env, { WALLET_URL, NODE_URL });
}

export {};
