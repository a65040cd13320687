// Health check of anvil and Alto: exits with status 0 if the port given as an argument answers JSON-RPC.
const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
const headers = { "content-type": "application/json" };
const reply = await fetch(`http://127.0.0.1:${process.argv[2]}`, { method: "POST", headers, body });
process.exit("result" in (await reply.json()) ? 0 : 1);
