// Start and end of servers.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createPool, startWalletRpc } from "wallet-rpc-test";

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("a server that cannot start says why", async () => {
  await expect(startWalletRpc({ args: ["--chain", "none"] })).rejects.toThrow(/exit status 2[\s\S]*--chain/);
  await expect(startWalletRpc({ command: ["/no/such/program"] })).rejects.toThrow(/no\/such\/program cannot be run/);
  await expect(startWalletRpc({ timeout: 0 })).rejects.toThrow(/not ready within 0 ms/);
});

test("settings of this process are not those of the server", async () => {
  process.env.WALLET_RPC_DEV_CLOCK = "none of a developer's own server";
  try {
    await using server = await startWalletRpc();
    expect(server.chainId).toBe(31337);
  } finally {
    delete process.env.WALLET_RPC_DEV_CLOCK;
  }
  await expect(startWalletRpc({ env: { WALLET_RPC_DEV_CLOCK: "sundial" } })).rejects.toThrow(/sundial/);
}, 120_000);

test("the path of the program may have spaces", { timeout: 120_000 }, async () => {
  const given = process.env.TEST_WALLET_RPC!;
  const folder = await mkdtemp(join(tmpdir(), "with spaces "));
  process.env.TEST_WALLET_RPC = join(folder, "wallet rpc");
  try {
    await symlink(given, process.env.TEST_WALLET_RPC);
    await using server = await startWalletRpc();
    expect(server.chainId).toBe(31337);
  } finally {
    process.env.TEST_WALLET_RPC = given;
    await rm(folder, { recursive: true });
  }
});

test("a killed program leaves no server, also where another program is between them", { timeout: 120_000 }, async () => {
  const code = `import { startWalletRpc } from "wallet-rpc-test";
    const command = ["sh", "-c", '"$TEST_WALLET_RPC" "$@"; exit', "as uvx"];
    console.log((await startWalletRpc({ command })).pid);
    setInterval(() => {}, 1000);`;
  const options = ["--input-type=module", "--eval", code];
  const program = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
  const pid = Number(await once(program.stdout.setEncoding("utf8"), "data"));
  expect(isRunning(pid)).toBe(true);

  program.kill("SIGKILL");
  await expect.poll(() => isRunning(pid), { timeout: 60_000 }).toBe(false);
});

test("a pool starts one server for each key and stops all of them", { timeout: 120_000 }, async () => {
  const lines: string[] = [];
  const pool = createPool({ onLine: (line) => lines.push(line) });
  const [one, same, other] = await Promise.all([pool.get(1), pool.get(1), pool.get(2)]);

  expect(one).toBe(same);
  expect(one.url).not.toBe(other.url);
  expect(lines.some((line) => line.includes(one.url))).toBe(true);
  expect([one, other].map((each) => isRunning(each.pid))).toEqual([true, true]);
  await pool.stopAll();
  expect([one, other].map((each) => isRunning(each.pid))).toEqual([false, false]);
  await pool.stop(3); // no server has this key
});
