// Alto listens on every address of the machine and has no option to change that. Here it listens on loopback only.
import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (options, ...rest) {
  const local = options !== null && typeof options === "object" ? { ...options, host: "127.0.0.1" } : options;
  return listen.call(this, local, ...rest);
};
