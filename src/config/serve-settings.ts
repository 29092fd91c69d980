import { LONGEST_TIMER, type SettingSpec } from "./setting-spec.js";

const serve = { command: "serve" } as const;
const duration = { ...serve, kind: "duration", min: 1, max: LONGEST_TIMER } as const;
const port = { ...serve, kind: "integer", min: 0, max: 65_535 } as const;
const file = { ...serve, kind: "text", value: "FILE", path: true } as const;

/** What `cache serve` alone is told. */
export const SERVE_SETTINGS = {
  origin: {
    ...serve,
    flag: "origin",
    kind: "text",
    value: "[HOST[/PATH]=]URL",
    several: true,
    summary: "where requests go that the cache can't answer: all, or those to a host and a path; repeatable",
  },
  host: {
    ...serve,
    flag: "host",
    kind: "text",
    value: "HOST",
    form: "host",
    fallback: "127.0.0.1",
    summary: "address that the proxy listens on",
  },
  port: { ...port, flag: "port", fallback: "4000", summary: "port of the proxy, 0 = any that is free" },
  adminPort: {
    ...port,
    flag: "admin-port",
    summary: "port of the admin API, 0 = any that is free; the proxy's own only on loopback (the proxy's + 1)",
  },
  adminHost: {
    ...serve,
    flag: "admin-host",
    kind: "text",
    value: "HOST",
    form: "host",
    fallback: "127.0.0.1",
    summary: "address that the admin API listens on; one that others can reach needs --admin-tokens",
  },
  adminTokens: {
    ...file,
    flag: "admin-tokens",
    summary: "file with who may call the admin API, as cache serve token makes its lines; none: a token at each start",
  },
  adminName: {
    ...serve,
    flag: "admin-name",
    kind: "text",
    value: "HOST",
    several: true,
    summary: "a name that the admin API is called by, besides its address and localhost; repeatable",
  },
  tlsCert: {
    ...file,
    flag: "tls-cert",
    summary: "file with the certificate of the proxy, and those that lead to it (PEM)",
  },
  tlsKey: { ...file, flag: "tls-key", summary: "file with the key of that certificate (PEM)" },
  drain: { ...duration, flag: "drain", min: 0, fallback: "10s", summary: "how long a stop waits for what runs" },
  preserveHost: {
    ...serve,
    flag: "preserve-host",
    kind: "boolean",
    summary: "send the origin the client's Host, not its own",
  },
  originCa: { ...file, flag: "origin-ca", summary: "file with the CA that origins are trusted by (PEM)" },
  originConnectTimeout: {
    ...duration,
    flag: "origin-connect-timeout",
    fallback: "5s",
    summary: "longest wait for a connection to an origin",
  },
  originTimeout: {
    ...duration,
    flag: "origin-timeout",
    fallback: "30s",
    summary: "longest wait for the first byte of an origin's answer",
  },
  originBodyTimeout: {
    ...duration,
    flag: "origin-body-timeout",
    fallback: "30s",
    summary: "longest wait between two pieces of a body",
  },
  trustProxy: {
    ...serve,
    flag: "trust-proxy",
    kind: "text",
    value: "ADDRESS|NETWORK",
    several: true,
    summary: "proxies in front of this one whose X-Forwarded fields are believed; repeatable",
  },
  maxObject: {
    ...serve,
    flag: "max-object",
    kind: "size",
    min: 1,
    fallback: "100MB",
    summary: "largest body that is kept; larger ones pass through",
  },
  rules: {
    ...serve,
    flag: "rules",
    kind: "text",
    value: "FILE|JSON",
    path: "or-json",
    summary: "what is cached otherwise than the origin says: a file with a JSON array of rules, or the array itself",
  },
  cacheableMethods: {
    ...serve,
    flag: "cacheable-methods",
    kind: "text",
    value: "METHOD,…",
    fallback: "GET,HEAD",
    summary: "methods whose responses are kept where no rule says which; of POST with the content in the key",
  },
  stripTags: {
    ...serve,
    flag: "strip-tags",
    kind: "boolean",
    summary: "do not send Surrogate-Key, Cache-Tag and xkey to clients",
  },
} as const satisfies Record<string, SettingSpec>;
