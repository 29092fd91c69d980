/**
 * The library: everything that a program may use, one by one.
 *
 * Paths of a store URL begin at the working directory when the cache is opened; nothing else of the process is read, neither its environment
 * nor a config file.
 */
export type {
  BackendInfo,
  BackendKind,
  CommonHead,
  CounterName,
  Counters,
  DeleteOptions,
  DeleteReport,
  EntryInfo,
  EntryReader,
  EntryWriter,
  ForeignEntry,
  Head,
  Position,
  ScanOptions,
  ScanPage,
  SetMode,
  SetOutcome,
  Shown,
  Stored,
  Touch,
  Want,
} from "./backends/backend.js";
export type { StoreOptions } from "./backends/open.js";
export type { BreakerOptions, ResilienceOptions } from "./backends/resilient/options.js";
export {
  type Algorithm,
  type CompressionOptions,
  type EncryptionKey,
  KeyRing,
  loadKeyRing,
} from "./backends/transform/index.js";
export type {
  Cache,
  CacheStats,
  CallOptions,
  LoadCounts,
  PacedScanOptions,
  ReadOptions,
  SetOptions,
  WriteEntry,
  WriteOptions,
} from "./cache/cache.js";
export type { Cached, CachedOptions, Invalidated } from "./cache/cached.js";
export type { ChangeListener, Following, HeardChange } from "./cache/change-feed.js";
export type { Invalidations } from "./cache/invalidations.js";
export { generateKey, hashKey, patternKey, recordKey } from "./cache/keys.js";
export type { Counted } from "./cache/listing.js";
export type { LoadManyContext, ManyLoader } from "./cache/loading/many.js";
export type { LoadContext, Loader, LoadOptions } from "./cache/loading/options.js";
export type { Alert, AlertName, Monitor, MonitorOptions, Sample, Thresholds } from "./cache/monitor.js";
export type { BatchStep, InvalidateOptions, ReadRangeOptions, ValueEntry, WriterOptions } from "./cache/options.js";
export type { GivenRecordOptions, RecordId, RecordOptions, RecordSource, Records } from "./cache/records.js";
export type { Serializer, SerializerChoice } from "./cache/serializer.js";
export type { Clock } from "./clock.js";
export { CacheError, type ErrorKind } from "./errors.js";
export type { CacheEvent, Listener, WarningEvent } from "./events.js";
export { type OpenCacheOptions, openCache, type StoreChoice } from "./library.js";
export type { Filter, Selection, Selector } from "./selector.js";
export {
  type KeepWarmOptions,
  keepWarm,
  startWarming,
  type WarmEntry,
  type Warming,
  type WarmingEnd,
  type WarmingOptions,
  type WarmingReport,
  type WarmSource,
  warmFromBelow,
} from "./transfer/warming.js";
