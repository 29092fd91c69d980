/** Of a region that may be too long to be seen at once: who has no mouse scrolls it with the keyboard (WCAG 2.1.1). */
export const SCROLLED = { tabIndex: 0 };
