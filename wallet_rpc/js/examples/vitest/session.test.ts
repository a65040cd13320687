// A vitest file with a server of its own, whose chain is reverted after each test.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { concat, createClient, createTestClient, http, numberToHex, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { startWalletRpc, walletRpcActions, type PreparedUserOperation, type SentCalls, type WalletRpc } from "wallet-rpc-test";

const owner = privateKeyToAccount(generatePrivateKey());
const key = privateKeyToAccount(generatePrivateKey());
const chainId = numberToHex(foundry.id);
const receiver = "0x000000000000000000000000000000000000dEaD";

let server: WalletRpc | undefined;
let snapshot: Hex;
const wallet = () => createClient({ transport: http(server?.url) }).extend(walletRpcActions());
const chain = () => createTestClient({ chain: foundry, mode: "anvil", transport: http(server?.url) });

beforeAll(async () => {
  server = await startWalletRpc();
}, 120_000);
afterAll(() => server?.stop());
beforeEach(async () => {
  snapshot = await chain().snapshot();
});
afterEach(() => chain().revert({ id: snapshot }));

test("a session key sends what its owner granted", async () => {
  const client = wallet();
  const { accountAddress } = await client.requestAccount({ signerAddress: owner.address });
  await chain().setBalance({ address: accountAddress, value: 10n ** 18n });
  const session = await client.createSession({
    account: accountAddress,
    chainId,
    key: { type: "secp256k1", publicKey: key.address },
    permissions: [
      { type: "native-token-transfer", data: { allowance: numberToHex(5n) } },
      { type: "contract-access", data: { address: receiver } },
    ],
    expirySec: Math.floor(Date.now() / 1000) + 3600,
  });
  const grant = await owner.signTypedData(session.signatureRequest.data as Parameters<typeof owner.signTypedData>[0]);
  const permissions = { context: concat(["0x00", session.sessionId, grant]) };

  const prepare = (value: bigint) =>
    client.prepareCalls({
      from: accountAddress,
      chainId,
      calls: [{ to: receiver, value: numberToHex(value) }],
      capabilities: { permissions },
    });
  const prepared = (await prepare(5n)) as PreparedUserOperation;
  const signature = { type: "secp256k1", data: await key.signMessage({ message: prepared.signatureRequest!.data }) } as const;
  const { id } = (await client.sendPreparedCalls({ ...prepared, signature, capabilities: { permissions } })) as SentCalls;
  await expect.poll(() => client.getCallsStatus(id).then((each) => each.status), { timeout: 10_000 }).toBe(200);

  await expect(prepare(1n)).rejects.toThrow(/native-token-transfer/); // the allowance is spent
});
