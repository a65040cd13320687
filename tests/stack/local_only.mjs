// Alto listens on every address of the machine and has no option for that; here it listens on this machine only.
import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (options, ...rest) {
  const local = options !== null && typeof options === "object" ? { ...options, host: "127.0.0.1" } : options;
  return listen.call(this, local, ...rest);
};
