/**
 * Words to put before a command in a shell script, so that file permissions count for it also where the tests run as root: who is root
 * keeps its name, and loses the right to pass over permissions. (util-linux, which every Linux has; elsewhere the tests are not run as root.)
 */
export const LIMITED =
  process.getuid?.() === 0
    ? "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search"
    : "";
