import { describe } from "vitest";
import { staleValueTests } from "../cache/interleaving-tests.js";

describe("random interleavings, many of them", () => staleValueTests(5000));
