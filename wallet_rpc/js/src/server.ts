/// <reference lib="esnext.disposable" preserve="true" />
// Starts `wallet-rpc dev` for tests: a wallet server with its own chain and Redis, which ends with this process.
import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address, Hex } from "viem";

export type StartOptions = {
  /** Ids of the embedded chains. Default: 31337. */
  chainIds?: readonly number[];
  /** Port on 127.0.0.1. Default: any free port. */
  port?: number;
  /** Program with its first arguments. Default: `TEST_WALLET_RPC`, else `wallet-rpc` on the path, uvx or pipx. */
  command?: readonly string[];
  /** Further options of `wallet-rpc dev`. */
  args?: readonly string[];
  /** Settings of the server, as environment variables. Those of this process (`WALLET_RPC_…`) do not count. */
  env?: Readonly<Record<string, string>>;
  /** Longest time until the server is ready, in milliseconds. Default: 120,000: uvx may have to download it first. */
  timeout?: number;
  /** Receives each line that the server prints. */
  onLine?: (line: string) => void;
};

export type WalletRpc = AsyncDisposable & {
  /** URL of the Wallet API; it also answers the methods of the first chain. */
  url: string;
  /** Id of the first chain. */
  chainId: number;
  /** URLs of the chains by id. */
  chains: Readonly<Record<string, string>>;
  /** API key that the server accepts; none is needed. For development only. */
  apiKey: string;
  /** Funded accounts, whose keys are publicly known. */
  accounts: readonly { address: Address; privateKey: Hex }[];
  /** ERC-20 token that anyone may mint. */
  testToken: Address;
  /** Version of the server. */
  version: string;
  /** Process id of the server. */
  pid: number;
  /** Stop the server, and wait until it has ended. */
  stop: () => Promise<void>;
};

const POLL_MS = 20;
const STOP_MS = 15_000;
const KEPT_LINES = 40;

/** Start a server on its own data, which end with it. Throws an error with the server's last lines if it cannot start. */
export async function startWalletRpc(options: StartOptions = {}): Promise<WalletRpc> {
  const [program, ...first] = findCommand(options.command);
  const folder = await mkdtemp(join(tmpdir(), "wallet-rpc-"));
  const readyFile = join(folder, "ready.json");
  const chains = (options.chainIds ?? []).flatMap((id) => ["--chain", String(id)]);
  // uvx and others stay between this process and the server, and would outlive this one
  const end = ["--exit-with-parent", "--exit-with", String(process.pid)];
  const args = [...first, "dev", "--ephemeral", ...end, "--ready-file", readyFile, ...chains];
  const child = spawn(program, [...args, ...(options.args ?? [])], {
    env: { ...withoutSettings(process.env), WALLET_RPC_PORT: String(options.port ?? 0), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = collectLines(child, options.onLine);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`${program} cannot be run: ${error.message}`));
    child.once("close", (code, signal) => resolve(`the server ended (${signal ?? `exit status ${code}`})`));
  });
  const stop = () => stopChild(child, ended, folder);
  try {
    const ready = await waitUntilReady(readyFile, ended, options.timeout ?? 120_000);
    child.unref(); // a test run that forgets `stop` can end; the server ends with it
    return { ...ready, chainId: ready.chainIds[0], stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    const printed = lines.length === 0 ? "" : `; it printed:\n${lines.join("\n")}`;
    throw new Error(`wallet-rpc did not start: ${(error as Error).message}${printed}`);
  }
}

/** Servers by key, such as a test worker's number: each is started once, at the first request. */
export function createPool(options: StartOptions = {}) {
  const servers = new Map<string | number, Promise<WalletRpc>>();
  return {
    /** Return the server of a key, and start it if there is none. */
    get(key: string | number): Promise<WalletRpc> {
      const found = servers.get(key);
      if (found !== undefined) return found;
      const started = startWalletRpc(options);
      servers.set(key, started);
      started.catch(() => servers.delete(key));
      return started;
    },
    /** Stop the server of a key, if there is one. */
    async stop(key: string | number): Promise<void> {
      const found = servers.get(key);
      servers.delete(key);
      await (await found)?.stop();
    },
    /** Stop all servers. */
    async stopAll(): Promise<void> {
      await Promise.all([...servers.keys()].map((key) => this.stop(key)));
    },
  };
}

/** Return the program that runs wallet-rpc, with its first arguments. */
function findCommand(command: readonly string[] | undefined): [string, ...string[]] {
  const [program, ...rest] = command ?? splitCommand(process.env.TEST_WALLET_RPC ?? "");
  if (program !== undefined) return [program, ...rest];
  if (isOnPath("wallet-rpc")) return ["wallet-rpc"];
  if (isOnPath("uvx")) return ["uvx", "wallet-rpc"];
  if (isOnPath("pipx")) return ["pipx", "run", "wallet-rpc"];
  throw new Error(
    "wallet-rpc did not start: found none of wallet-rpc, uvx and pipx on the path; " +
      "run `pip install wallet-rpc`, or name the program in `command` or TEST_WALLET_RPC",
  );
}

/** Return the words of a command; the path of a program may have spaces. */
function splitCommand(text: string): readonly string[] {
  return canRun(text) ? [text] : text.split(" ").filter(Boolean);
}

/** Return the variables that are no settings of a server, such as that of the server that a developer works with. */
function withoutSettings(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !name.startsWith("WALLET_RPC_")));
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => canRun(join(folder, program)));
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Return the last lines that a process printed; the list grows. */
function collectLines(child: ChildProcess, onLine: StartOptions["onLine"]): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        onLine?.(line);
        lines.push(line);
      }
      lines.splice(0, lines.length - KEPT_LINES);
    });
    (stream as unknown as { unref?: () => void } | null)?.unref?.();
  }
  return lines;
}

/** Wait for the ready file, which appears complete. Throws when the process ends first. */
async function waitUntilReady(path: string, ended: Promise<string>, timeout: number) {
  let end: string | undefined;
  void ended.then((text) => {
    end = text;
  });
  for (const started = Date.now(); ; await sleep(POLL_MS)) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) return JSON.parse(text);
    if (end !== undefined) throw new Error(end);
    if (Date.now() - started > timeout) throw new Error(`it was not ready within ${timeout} ms`);
  }
}

async function stopChild(child: ChildProcess, ended: Promise<string>, folder: string): Promise<void> {
  child.kill("SIGTERM");
  const killing = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(killing);
  await rm(folder, { recursive: true, force: true });
}
