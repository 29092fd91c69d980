import { describe } from "vitest";
import { staleValueTests } from "./interleaving-tests.js";

describe("random interleavings", () => staleValueTests(500));
