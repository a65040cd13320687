// A small dapp with wagmi and ethers, which finds the test wallet by its announcement (EIP-6963).
import { connect, createConfig, getCallsStatus, getConnectors, http, reconnect, sendCalls } from "@wagmi/core";
import { BrowserProvider, verifyMessage } from "ethers";
import { foundry } from "viem/chains";

const config = createConfig({ chains: [foundry], transports: { [foundry.id]: http() }, multiInjectedProviderDiscovery: true });
const show = (id: string, text: string) => {
  document.getElementById(id)!.textContent = text;
};
let bundle = sessionStorage.getItem("bundle") ?? "";

const actions: Record<string, () => Promise<void>> = {
  async connect() {
    const connector = getConnectors(config).find((each) => each.id === "rpc.wallet.test")!;
    const { accounts } = await connect(config, { connector, chainId: foundry.id });
    show("account", accounts[0]!);
  },
  async grant() {
    const provider: any = (window as any).ethereum;
    const granted = await provider.request({
      method: "wallet_grantPermissions",
      params: [
        {
          signer: { type: "account", data: { id: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" } },
          expiry: Math.floor(Date.now() / 1000) + 3600,
          permissions: [{ type: "native-token-transfer", data: { allowance: "0x5" } }],
        },
      ],
    });
    show("result", granted.permissionsContext);
  },
  async send() {
    ({ id: bundle } = await sendCalls(config, {
      calls: [{ to: "0x000000000000000000000000000000000000dEaD", value: 7n }],
    }));
    sessionStorage.setItem("bundle", bundle);
    show("result", bundle);
  },
  async status() {
    for (;;) {
      const { status } = await getCallsStatus(config, { id: bundle });
      if (status !== "pending") return show("result", String(status));
    }
  },
  async sign() {
    const signer = await new BrowserProvider((window as any).ethereum).getSigner();
    const address = verifyMessage("hello", await signer.signMessage("hello"));
    show("result", `signed by ${address}`);
  },
};
for (const [name, run] of Object.entries(actions))
  document.getElementById(name)!.addEventListener("click", () =>
    run().catch((error) => show("result", `error: ${error.message}`)),
  );

const [found] = await reconnect(config); // after a reload, the wallet is connected still
if (found) show("account", found.accounts[0]!);
