// The announcement of a provider to the libraries of a page (EIP-6963).
import { bytesToHex } from "viem";
import type { TestProvider } from "./provider.ts";

export type ProviderInfo = { uuid: string; name: string; icon: string; rdns: string };

/** Announce a provider to the page's libraries, now and whenever one asks (EIP-6963). Returns the end of it. */
export function announceProvider(provider: TestProvider, info: Partial<ProviderInfo> = {}): () => void {
  const detail = Object.freeze({
    info: Object.freeze({
      uuid: createUuid(),
      name: "wallet-rpc test wallet",
      icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>",
      rdns: "rpc.wallet.test",
      ...info,
    }),
    provider,
  });
  const announce = () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
  return () => window.removeEventListener("eip6963:requestProvider", announce);
}

/** Return a random UUID of version 4. A page of plain HTTP on another host than localhost has no crypto.randomUUID. */
function createUuid(): string {
  const hex = bytesToHex(crypto.getRandomValues(new Uint8Array(16))).slice(2);
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}
