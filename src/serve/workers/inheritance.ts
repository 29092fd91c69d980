import type { Worker } from "node:cluster";

/**
 * Node hands a connection to a worker and keeps it until the worker has said whether it takes it. One that is killed before never does: nobody would serve or close that connection, and
 * its client would wait for ever. So the dead one is taken to have refused it, upon which Node gives it to the next, as it does where a worker is about to end.
 */
export function leaveConnectionsToOthers({ process: child }: Worker): void {
  const unanswered = new Set<unknown>();
  child.send = new Proxy(child.send, {
    apply(send, self, args) {
      const [message] = args;
      if (isOfCluster(message) && message.act === "newconn") unanswered.add(message.seq);
      return Reflect.apply(send, self, args);
    },
  });
  child.on("internalMessage", (message: unknown) => {
    if (isOfCluster(message)) unanswered.delete(message.ack);
  });
  child.once("exit", () => {
    for (const ack of unanswered) child.emit("internalMessage", { cmd: CLUSTER, ack, accepted: false });
  });
}

/** What Node's cluster module says to its other end. */
interface ClusterMessage {
  cmd: typeof CLUSTER;
  act?: unknown;
  seq?: unknown;
  /** The `seq` of what it answers. */
  ack?: unknown;
}

const CLUSTER = "NODE_CLUSTER";

function isOfCluster(message: unknown): message is ClusterMessage {
  return typeof message === "object" && message !== null && "cmd" in message && message.cmd === CLUSTER;
}
