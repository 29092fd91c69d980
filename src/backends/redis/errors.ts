import { CacheError, type CacheErrorOptions, codeOf, type ErrorKind, messageOf } from "../../errors.js";

export { abortedBy } from "../../errors.js";

interface Mapping {
  kind: ErrorKind;
  code: string;
  message: string;
  hint: string;
  retryable?: boolean;
}

/** Error replies by their first word. */
const REPLIES: Readonly<Record<string, Mapping>> = {
  WRONGPASS: {
    kind: "authentication",
    code: "authentication-failed",
    message: "the store refused the user or the password",
    hint: "Check the user name and the password.",
  },
  NOAUTH: {
    kind: "authentication",
    code: "authentication-required",
    message: "the store asks for a password",
    hint: "Give a password, by file or environment rather than in the URL.",
  },
  NOPERM: {
    kind: "authentication",
    code: "not-permitted",
    message: "the store's user may not do this",
    hint: "Ask for the right in the server's ACL, or use another user.",
  },
  LOADING: {
    kind: "connection",
    code: "store-loading",
    message: "the store is still loading its data",
    hint: "Wait a moment and try again.",
    retryable: true,
  },
  READONLY: {
    kind: "store",
    code: "store-read-only",
    message: "the store is a replica and takes no writes",
    hint: "Use the address of the primary.",
  },
  MASTERDOWN: {
    kind: "connection",
    code: "store-unreachable",
    message: "the store is a replica that has lost its primary",
    hint: "Use the address of the primary, or try again later.",
  },
  OOM: {
    kind: "store",
    code: "store-full",
    message: "the store has no memory left and evicts nothing",
    hint: "Raise maxmemory, set an eviction policy, or remove entries.",
  },
  MISCONF: {
    kind: "store",
    code: "store-cannot-save",
    message: "the store takes no writes because it can't save to its disk",
    hint: "Look into the server's log and free its disk.",
  },
  NOREPLICAS: {
    kind: "store",
    code: "store-no-replicas",
    message: "the store takes no writes because it has too few replicas",
    hint: "Bring its replicas back, or change min-replicas-to-write.",
    retryable: true,
  },
  BUSY: {
    kind: "store",
    code: "store-busy",
    message: "the store is busy with another client's script",
    hint: "Try again later.",
    retryable: true,
  },
  WRONGTYPE: {
    kind: "store",
    code: "wrong-type",
    message: "the key holds another Redis type than a string",
    hint: "Use another key, or remove this one by naming its type.",
  },
  MOVED: clusterNode(),
  ASK: clusterNode(),
  TRYAGAIN: {
    kind: "connection",
    code: "slots-moving",
    message: "the cluster is moving the keys to another node",
    hint: "Try again in a moment.",
    retryable: true,
  },
  CROSSSLOT: {
    kind: "usage",
    code: "cross-slot",
    message: "the keys lie on different parts of the cluster",
    hint: "Give them a hash tag in common: {a}:1 and {a}:2.",
  },
  CLUSTERDOWN: {
    kind: "connection",
    code: "store-unreachable",
    message: "the cluster is down",
    hint: "Try again when the cluster has recovered.",
  },
};

function clusterNode(): Mapping {
  return {
    kind: "usage",
    code: "cluster-node",
    message: "this server is a node of a Redis Cluster",
    hint: "Name the cluster instead: redis+cluster://host:port.",
  };
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name could not be resolved",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no route to its network",
  ECONNRESET: "it closed the connection",
  EPIPE: "it closed the connection",
  ETIMEDOUT: "it did not answer in time",
  EACCES: "connecting to it is not permitted",
};

/** The error of a store as the one of this program. Messages never hold arguments of a command, so no secret and no value. */
export function mapError(error: unknown, target: string, key?: string): CacheError {
  if (error instanceof CacheError) return error;
  const message = messageOf(error);
  const options: CacheErrorOptions = { cause: cleanCause(error) };
  if (key !== undefined) options.key = key;
  const reply = REPLIES[replyCode(message)];
  if (reply) {
    options.hint = reply.hint;
    if (reply.retryable !== undefined) options.retryable = reply.retryable;
    return new CacheError(reply.kind, reply.code, `${target}: ${reply.message}`, options);
  }
  const code = codeOf(error) ?? "";
  if (isNoRedis(error)) {
    options.hint = "Check the port: another kind of server answers there.";
    options.retryable = false;
    return new CacheError("connection", "not-redis", `${target} does not speak the protocol of Redis`, options);
  }
  if (isTimeout(error)) {
    options.hint = "Try again, or allow more time.";
    return new CacheError("timeout", "store-timeout", `${target} did not answer in time`, options);
  }
  if (isTlsError(code, message)) {
    options.hint = "Check the certificate authority, the server's name, and that this port speaks TLS.";
    options.retryable = false;
    return new CacheError("connection", "tls-failed", `no TLS connection to ${target}: ${tlsReason(message)}`, options);
  }
  if (isConnectionError(error, code, message)) {
    options.hint = "Check that the store runs and that its address is right.";
    const reason = UNREACHABLE[code] ?? "the connection was closed";
    return new CacheError("connection", "store-unreachable", `can't reach ${target}: ${reason}`, options);
  }
  if (/SELECT is not allowed in cluster/i.test(message)) {
    options.hint = "Leave out the number of the database.";
    return new CacheError("usage", "invalid-database", `${target}: a Redis Cluster has no database but 0`, options);
  }
  if (/DB index|invalid DB/i.test(message)) {
    options.hint = "Choose a database that the server has (16 by default, 0 to 15).";
    return new CacheError("usage", "invalid-database", `${target}: there is no such database`, options);
  }
  options.hint = "Look into the server's log, and check that it is a Redis, or speaks its protocol, from version 6 on.";
  return new CacheError("store", "store-error", `${target}: ${message}`, options);
}

/** A server that was tried, by a name for people, and what came of it. */
export interface Tried {
  name: string;
  error: unknown;
}

/**
 * The failure of a store of several servers, none of which could be used. One that had an answer says more than those that are away; where all are, each is named.
 * @param what the store for people, without secrets
 */
export function noneOf(what: string, tried: readonly Tried[]): unknown {
  const away = tried.flatMap(({ name, error }) => (isAway(error) ? [{ name, error }] : []));
  const [first] = away;
  if (first === undefined || away.length < tried.length)
    return tried.find(({ error }) => !isAway(error))?.error ?? first?.error;
  const names = new Map<string, Set<string>>();
  for (const { name, error } of away) {
    const reason = error.message.replace(/^can't reach \S+: /, "").replace(/^\S+ (?=did not answer in time$)/, "it ");
    names.set(reason, (names.get(reason) ?? new Set()).add(name));
  }
  const reasons = [...names].map(([reason, those]) => `${[...those].join(", ")}: ${reason}`).join("; ");
  // That one was silent is what a caller has to know who would send something again.
  const { kind, code, hint, retryable, cause } =
    away.find(({ error }) => error.kind === "timeout")?.error ?? first.error;
  return new CacheError(kind, code, `can't reach ${what} (${reasons})`, {
    cause,
    retryable,
    ...(hint !== undefined && { hint }),
  });
}

function isAway(error: unknown): error is CacheError {
  return error instanceof CacheError && (error.code === "store-unreachable" || error.code === "store-timeout");
}

/** True if the store does not let this user run scripts at all. */
export function isScriptingRefused(error: unknown): boolean {
  const message = messageOf(error);
  return /^NOPERM.*'?(?:eval|evalsha|script)\b/i.test(message) || /unknown command.*eval/i.test(message);
}

/** True for bytes that ioredis can't read: its parser ends every error so. */
export function isNoRedis(error: unknown): boolean {
  return /(?:^Command queue state error|Please report this\.$)/.test(messageOf(error));
}

/** True for a command that was not answered in time. */
export function isTimeout(error: unknown): boolean {
  return messageOf(error) === "Command timed out";
}

/** True for an error that the server answered with. */
export function isServerReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** True where a slot is on its way to another node, and the reply hangs on keys of both. */
export function isSlotMoving(reply: unknown): boolean {
  return reply instanceof Error && isReply(reply, "TRYAGAIN");
}

/** True for a node that can't serve just now, and says so instead of doing what it was asked. */
export function isDown(reply: unknown): boolean {
  return (
    reply instanceof Error && ["CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY"].includes(replyCode(reply.message))
  );
}

export function isReply(error: unknown, code: string): boolean {
  return replyCode(messageOf(error)) === code;
}

/** A script's error carries the reply inside: `ERR Error running script (…): @user_script:5: -OOM command …` in Redis 6. */
function replyCode(message: string): string {
  if (/can't (?:run this command|access at least one of the keys)|has no permissions/i.test(message)) return "NOPERM";
  if (/invalid password|invalid username-password|without any password configured/i.test(message)) return "WRONGPASS";
  if (/non local key in a cluster/i.test(message)) return "TRYAGAIN";
  if (/hash to the same slot/i.test(message)) return "CROSSSLOT";
  const word = /^-?([A-Z]+) /.exec(message)?.[1];
  if (word !== undefined && word !== "ERR") return word;
  return /@user_script:.*-([A-Z]+) /.exec(message)?.[1] ?? word ?? "";
}

function isTlsError(code: string, message: string): boolean {
  return (
    /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_OSSL|EPROTO)/.test(code) ||
    /certificate|SSL routines|disconnected before secure TLS/i.test(message)
  );
}

function tlsReason(message: string): string {
  if (/wrong version number|packet length too long|disconnected before secure TLS/i.test(message)) {
    return "the port does not speak TLS";
  }
  const reason = /SSL routines:[^:]*:([^:\n]+)/.exec(message)?.[1];
  return reason ?? message.split("\n")[0] ?? message;
}

function isConnectionError(error: unknown, code: string, message: string): boolean {
  return (
    code in UNREACHABLE ||
    (error instanceof Error && /^(?:MaxRetriesPerRequestError|AbortError)$/.test(error.name)) ||
    /Connection is closed|Stream isn't writeable|connect ETIMEDOUT|^Socket timeout/.test(message)
  );
}

/** ioredis puts the command with its arguments (passwords, values) on its errors; those must not travel on as a cause. */
function cleanCause(error: unknown): Error {
  const cause = new Error(messageOf(error));
  cause.name = error instanceof Error ? error.name : "Error";
  return cause;
}
