import { useEffect, useRef, useState } from "preact/hooks";
import { Cell, useCell } from "./cell.js";
import { showKey } from "./text.js";

/** How much is at stake, as the command line asks: one key is not asked about, many are counted and shown, everything takes the target's name. */
export type Danger =
  | { step: "one" }
  | { step: "many"; count: number; exact: boolean; sample: readonly string[] }
  | { step: "everything"; target: string };

export interface Question {
  /** What is about to be done, as a title: "Delete entries under user:". */
  title: string;
  /** On the button: "Delete". */
  verb: string;
  danger: Danger;
}

interface Asked extends Question {
  answer: (yes: boolean) => void;
}

const asked = new Cell<Asked | undefined>(undefined);

/** Resolves when somebody has decided; a second question takes the place of the first, which is answered with no. */
export function confirmed(question: Question): Promise<boolean> {
  if (question.danger.step === "one") return Promise.resolve(true);
  asked.value?.answer(false);
  return new Promise((answer) => asked.set({ ...question, answer }));
}

/** Where questions are asked; once in the page. */
export function Questions() {
  const now = useCell(asked);
  return now ? <Dialog key={now.title} asked={now} /> : null;
}

function Dialog({ asked: { title, verb, danger, answer } }: { asked: Asked }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState("");
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const decide = (yes: boolean) => {
    dialog.current?.close();
    asked.set(undefined);
    answer(yes);
  };
  const mayGoOn = danger.step !== "everything" || typed === danger.target;
  return (
    <dialog
      ref={dialog}
      aria-labelledby="question"
      onCancel={(event) => {
        event.preventDefault();
        decide(false);
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (mayGoOn) decide(true);
        }}
      >
        <h2 id="question">{title}</h2>
        {danger.step === "many" && <Many {...danger} />}
        {danger.step === "everything" && (
          <>
            <p>
              This is about <strong>everything</strong> in <code>{showKey(danger.target)}</code>.
            </p>
            <label>
              Type its name to go on
              <input
                type="text"
                autocomplete="off"
                spellcheck={false}
                value={typed}
                onInput={({ currentTarget }) => setTyped(currentTarget.value)}
              />
            </label>
          </>
        )}
        <div class="actions">
          <button type="button" onClick={() => decide(false)}>
            Cancel
          </button>
          <button type="submit" class="danger" disabled={!mayGoOn}>
            {verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Many({ count, exact, sample }: { count: number; exact: boolean; sample: readonly string[] }) {
  return (
    <>
      <p>
        That is{" "}
        <strong>
          {exact ? "" : "about "}
          {count.toLocaleString("en")} {count === 1 ? "entry" : "entries"}
        </strong>
        {sample.length > 0 && ":"}
      </p>
      <ul>
        {sample.map((key) => (
          <li key={key}>
            <code>{showKey(key)}</code>
          </li>
        ))}
        {count > sample.length && sample.length > 0 && <li>…</li>}
      </ul>
    </>
  );
}
