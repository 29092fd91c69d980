// node scripts/man-page.js DIST: prints the manual page of the program that was built into DIST.
import { programIn } from "./program.js";

const [dist = ""] = process.argv.splice(2, 1, "man");
await programIn(dist).load("main.cjs").main();
