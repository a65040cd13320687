// Proxy that drops the first response to a method: the server has handled the request, but the client gets no result.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface LossyProxy {
  url: string;
  /** Number of requests for the method. */
  seen: () => number;
  close: () => void;
}

export async function startLossyProxy(server: string, method: string, status: 503 | "hang up"): Promise<LossyProxy> {
  let seen = 0;
  const proxy = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const answer = await fetch(server, { method: "POST", headers: { "content-type": "application/json" }, body });
    const text = await answer.text();
    if (body.includes(`"${method}"`) && ++seen === 1) {
      if (status === "hang up") return void request.socket.destroy();
      return void response.writeHead(status).end();
    }
    response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen: () => seen,
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}
