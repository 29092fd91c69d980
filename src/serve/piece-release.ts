import { MessageChannel, type MessagePort } from "node:worker_threads";

/** Bytes from which giving memory back at once is less work than leaving it to the collector, and nothing is part of a pool. */
const LEAST = 32_768;

/** Closed: what is handed over to it is gone. */
let nowhere: MessagePort | undefined;

/**
 * Gives back the memory of a piece that nobody will look at again. V8 counts memory outside of its heap, and each time some 64 MB of it have come together it collects everything, however small
 * its heap is: for a large value that is more work than to read it.
 * @param piece must not be on its way to the system any more
 */
export function releasePiece({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < LEAST || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  if (nowhere === undefined) {
    nowhere = new MessageChannel().port1;
    nowhere.close();
  }
  nowhere.postMessage(undefined, [buffer]);
}
