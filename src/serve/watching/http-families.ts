import { type Family, one } from "./family.js";
import { ANSWERS, OUTCOMES, type TrafficFigures } from "./traffic.js";

/** Of the requests that the store might have answered, those that it did, without the origin. */
function hitRatio({ requests }: TrafficFigures): number | undefined {
  const count = (outcome: keyof typeof requests) => {
    let sum = 0;
    for (const answer of ANSWERS) sum += requests[outcome].answers[answer];
    return sum;
  };
  const answered = count("HIT") + count("STALE");
  const all = answered + count("MISS") + count("REVALIDATED");
  return all === 0 ? undefined : answered / all;
}

/** Of the proxy and what watches it. */
export const HTTP_FAMILIES: readonly Family[] = [
  {
    name: "cache_build_info",
    help: "1, with the version of cachectl",
    labels: ["version"],
    kind: "gauge",
    points: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  {
    name: "cache_http_requests_total",
    help: "Requests that have ended, by what became of them and the class of the status; cut: the connection ended first",
    labels: ["outcome", "status"],
    kind: "counter",
    points: ({ traffic }) =>
      OUTCOMES.flatMap((outcome) =>
        ANSWERS.map((status) => ({
          labels: { outcome, status },
          value: traffic.requests[outcome].answers[status],
        })),
      ),
  },
  {
    name: "cache_http_request_duration_seconds",
    help: "From the request to the end of its response",
    labels: ["outcome"],
    kind: "histogram",
    series: ({ traffic }) =>
      OUTCOMES.map((outcome) => ({ labels: { outcome }, durations: traffic.requests[outcome].durations })),
  },
  {
    name: "cache_http_requests_running",
    help: "Requests that have not ended",
    labels: [],
    kind: "gauge",
    points: one(({ traffic }) => traffic.running),
  },
  {
    name: "cache_http_connections",
    help: "Clients that are connected to the proxy",
    labels: [],
    kind: "gauge",
    points: one(({ traffic }) => traffic.connections),
  },
  {
    name: "cache_http_received_bytes_total",
    help: "Bytes from clients, heads included",
    labels: [],
    kind: "counter",
    points: one(({ traffic }) => traffic.bytes.received),
  },
  {
    name: "cache_http_sent_bytes_total",
    help: "Bytes to clients, heads included",
    labels: [],
    kind: "counter",
    points: one(({ traffic }) => traffic.bytes.sent),
  },
  {
    name: "cache_http_hit_ratio",
    help: "Share of the HIT, STALE, MISS and REVALIDATED that were HIT or STALE, since the start; absent before the first",
    labels: [],
    kind: "gauge",
    points: one(({ traffic }) => hitRatio(traffic)),
  },
  {
    name: "cache_origin_requests_total",
    help: "Requests to an origin, by the class of its status, or why there was none",
    labels: ["origin", "status"],
    kind: "counter",
    points: ({ traffic }) =>
      traffic.origins.flatMap(({ name, answers }) =>
        Object.entries(answers).map(([status, value]) => ({ labels: { origin: name, status }, value })),
      ),
  },
  {
    name: "cache_origin_duration_seconds",
    help: "From the request to an origin until the head of its response",
    labels: ["origin"],
    kind: "histogram",
    series: ({ traffic }) => traffic.origins.map(({ name, durations }) => ({ labels: { origin: name }, durations })),
  },
  {
    name: "cache_events_listeners",
    help: "Clients that listen to events",
    labels: [],
    kind: "gauge",
    points: one(({ listeners }) => listeners),
  },
  {
    name: "cache_access_log_lost_lines_total",
    help: "Lines of the access log that could not be written",
    labels: [],
    kind: "counter",
    points: one(({ linesLost }) => linesLost),
  },
  {
    name: "cache_monitor_alert",
    help: "1 while the alert of the monitor holds",
    labels: ["alert"],
    kind: "gauge",
    points: ({ alerts }) => alerts.map(({ name, holds }) => ({ labels: { alert: name }, value: Number(holds) })),
  },
];
