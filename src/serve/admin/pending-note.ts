/** Whether a change was noted down instead of made, as the answer tells it: see `WriteCall.onPending`. */
export class PendingNote {
  #pending = false;

  readonly onPending = (): void => {
    this.#pending = true;
  };

  readonly answered = <T extends object>(answer: T): T & { pending?: true } =>
    this.#pending ? { ...answer, pending: true } : answer;
}
