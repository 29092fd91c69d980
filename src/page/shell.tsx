import { useEffect, useRef } from "preact/hooks";
import { Questions } from "./confirm.js";
import { Guarded } from "./guarded.js";
import { tellFailure } from "./notices.js";
import { hrefOf, useRoute } from "./route.js";
import { SCREENS } from "./screens.js";
import { logOut, type Session } from "./session.js";
import { showKey } from "./text.js";
import { ThemeSwitch } from "./theme.js";

/** What is around every screen. */
export function Shell({ session }: { session: Session }) {
  const route = useRoute();
  const screen = SCREENS.find(({ name }) => name === route.screen) ?? SCREENS[0];
  const main = useRef<HTMLElement>(null);
  const title = screen?.title ?? "";
  const before = useRef(session.isNew ? undefined : title);
  useEffect(() => {
    document.title = `${title} · Cache`;
    // Who does not see the page hears where he is now.
    if (before.current !== title) main.current?.querySelector("h1")?.focus();
    before.current = title;
  }, [title]);
  const leave = () => logOut().catch((error: unknown) => tellFailure(error, "Not logged out"));
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header>
        <a class="brand" href={hrefOf(SCREENS[0]?.name ?? "")} aria-label="Cache">
          <img src={iconUrl()} alt="" width="24" height="24" />
          <span class="brand-name">Cache</span>
        </a>
        <nav aria-label="Screens">
          <ul>
            {SCREENS.filter(({ hidden }) => !hidden).map(({ name, title }) => (
              <li key={name}>
                <a href={hrefOf(name)} aria-current={name === screen?.name ? "page" : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="who">
          <span class="name" title={showKey(session.name)}>
            {showKey(session.name)}
          </span>
          <span class="role">{session.role}</span>
          <ThemeSwitch />
          <button type="button" class="quiet" onClick={leave}>
            Log out
          </button>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {screen && (
          <Guarded key={screen.name}>
            <screen.view route={route} />
          </Guarded>
        )}
      </main>
      <Questions />
    </>
  );
}

/** The one that index.html names, with the hash of its file. */
function iconUrl(): string {
  return document.querySelector<HTMLLinkElement>('link[rel="icon"]')?.href ?? "";
}
