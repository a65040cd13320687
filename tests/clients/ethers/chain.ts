// ethers' provider at the wallet's URL: reads, a transaction, logs, a batch, and errors.
import assert from "node:assert/strict";
import { Contract, isError, JsonRpcProvider, parseEther, toQuantity, Wallet } from "ethers";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337";
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const token = "0x7e57000000000000000000000000000000000001"; // an ERC-20 of the embedded chain; anyone may mint
const abi = [
  "function mint(address to, uint256 amount)",
  "function balanceOf(address) view returns (uint256)",
  "function transfer(address to, uint256 amount) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 amount)",
];
const provider = new JsonRpcProvider(url, undefined, { polling: true, pollingInterval: 50 });
const signer = new Wallet(Wallet.createRandom().privateKey, provider);
const faucet = new JsonRpcProvider(node);
await faucet.send("anvil_setBalance", [signer.address, toQuantity(parseEther("1"))]);

const contract = new Contract(token, abi, signer) as any;
const [network, block, balance, fees, none] = await Promise.all([
  provider.getNetwork(),
  provider.getBlock("latest"),
  provider.getBalance(signer.address),
  provider.getFeeData(),
  contract.balanceOf(signer.address),
]);
assert.equal(network.chainId, BigInt(await provider.send("eth_chainId", [])));
assert(block && block.number >= 0);
assert.deepEqual([balance, none], [parseEther("1"), 0n]);
assert(fees.maxFeePerGas && fees.maxFeePerGas > 0n);

const sent = await contract.mint(signer.address, 5n);
const receipt = await sent.wait();
assert.equal(receipt.status, 1);
assert.equal(await contract.balanceOf(signer.address), 5n);
const [event] = await contract.queryFilter(contract.filters.Transfer(null, signer.address), receipt.blockNumber);
assert.equal(event.args.amount, 5n);
await assert.rejects(contract.transfer.staticCall(token, 6n), (error) => isError(error, "CALL_EXCEPTION"));

// Wallet and chain methods in one batch: each request gets its own response.
const [first, second, number] = await Promise.all([
  provider.send("wallet_requestAccount", [{ signerAddress: signer.address, creationHint: { salt: "0x1" } }]),
  provider.send("wallet_requestAccount", [{ signerAddress: signer.address, creationHint: { salt: "0x2" } }]),
  provider.send("eth_blockNumber", []),
]);
assert.notEqual(first.accountAddress, second.accountAddress);
assert(Number(number) >= receipt.blockNumber);

// Errors of the server keep their code and message.
const failure = await provider.send("wallet_requestAccount", [{ signerAddress: "0x12" }]).catch((error) => error);
assert.equal(failure.error?.code ?? failure.info?.error?.code, -32602);
assert.match(JSON.stringify([failure.error, failure.info]), /signerAddress/);
await assert.rejects(provider.send("wallet_flyToTheMoon", []), (error) => isError(error, "UNSUPPORTED_OPERATION"));
provider.destroy();
faucet.destroy();
