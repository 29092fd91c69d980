import { Facts } from "../browse/facts.js";
import { KeyText } from "../browse/key-text.js";
import { hrefOf } from "../route.js";
import { showDuration } from "../text.js";
import type { Entry } from "./value.js";

/** What a stored HTTP response has besides its content. */
export function ResponseHead({ response, name }: { response: NonNullable<Entry["response"]>; name: string }) {
  const { status, fields, age, lifetime, lifetimeFrom, staleWhileRevalidate, staleIfError } = response;
  const { alwaysValidated, neverStale, coding } = response;
  const [, method = "GET", url] = /^r:([A-Z]+) (https?:\/\/[^ #]*)$/.exec(name) ?? [];
  return (
    <section class="card" aria-labelledby="response">
      <div class="bar">
        <h2 id="response">HTTP response</h2>
        {url !== undefined && (
          <a class="button" href={hrefOf("rules", { url, method })}>
            Which rule?
          </a>
        )}
      </div>
      <Facts
        of={[
          ["Status", status],
          ["Age", showDuration(age)],
          ["Fresh for", `${showDuration(lifetime)} (${lifetimeFrom})`],
          ["Stale while fetched anew", staleWhileRevalidate > 0 && showDuration(staleWhileRevalidate)],
          ["Stale while the origin fails", staleIfError > 0 && showDuration(staleIfError)],
          ["Use", alwaysValidated && "never without asking the origin"],
          ["When stale", neverStale && "never used"],
          ["Content", coding !== undefined && (coding === "as-is" ? "as it came" : `compressed here (${coding})`)],
        ]}
      />
      <table class="fields">
        <caption>Fields</caption>
        <thead class="hidden">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(([field, value]) => (
            <tr>
              <th scope="row">
                <KeyText text={field} isWhole />
              </th>
              <td>
                <KeyText text={value} isWhole />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
