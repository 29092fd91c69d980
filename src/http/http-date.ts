const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const IMF_FIXDATE = /^(?:mon|tue|wed|thu|fri|sat|sun), (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/;
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC850 =
  /^(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday), (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/;
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME = /^(?:mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/;

/**
 * A time in one of the three forms of RFC 9110 §5.6.7, without regard to case (RFC 9111 §4.2). The name of the day is not compared with the date.
 * @param now epoch milliseconds: a year of two digits that would be more than 50 years ahead is one of the century before
 * @returns epoch milliseconds; undefined for anything else, also for dates that no calendar has
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  if (text.length > 40) return undefined;
  const lower = text.toLowerCase();
  const fixed = IMF_FIXDATE.exec(lower);
  if (fixed) return timeOf(fixed[3], fixed[2], fixed[1], fixed[4], fixed[5], fixed[6]);
  const short = RFC850.exec(lower);
  if (short) {
    const century = Math.floor(new Date(now).getUTCFullYear() / 100);
    const inCentury = (of: number) => timeOf(`${of}${short[3]}`, short[2], short[1], short[4], short[5], short[6]);
    const time = inCentury(century);
    return time !== undefined && time > new Date(now).setUTCFullYear(new Date(now).getUTCFullYear() + 50)
      ? inCentury(century - 1)
      : time;
  }
  const asctime = ASCTIME.exec(lower);
  return asctime ? timeOf(asctime[6], asctime[1], asctime[2], asctime[3], asctime[4], asctime[5]) : undefined;
}

function timeOf(...[year, monthName, day, hour, minute, second]: (string | undefined)[]): number | undefined {
  const month = MONTHS.indexOf(monthName ?? "");
  const [d, h, m, s] = [Number(day), Number(hour), Number(minute), Number(second)];
  // RFC 9110 §5.6.7 allows 23:59:60, a leap second. It counts as the next.
  if (month < 0 || h > 23 || m > 59 || s > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), month, d);
  // A day that the month doesn't have has become one of another month.
  if (date.getUTCDate() !== d) return undefined;
  return date.setUTCHours(h, m, s);
}

/** RFC 9110 §5.6.7, in the form that is to be generated. @param ms epoch milliseconds; what is less than a second is left out */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}
