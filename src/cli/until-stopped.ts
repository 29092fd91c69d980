/** The pages until the end or until the signal: a listing that was stopped is no failure, what it gave so far counts. */
export async function* untilStopped<T>(pages: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    for await (const page of pages) {
      yield page;
      if (signal.aborted) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
