import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { TlsFiles } from "./listener.js";

export interface TlsPaths {
  tlsCert: string | undefined;
  tlsKey: string | undefined;
}

/**
 * Certificate and key of the proxy, where it has them.
 * @throws CacheError `invalid-tls` where one is missing, can't be read, is none, or they are not of each other
 */
export function readTls({ tlsCert, tlsKey }: TlsPaths): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw invalid("--tls-cert and --tls-key are of no use without each other", "Give both.");
  }
  const files = { cert: readPem("--tls-cert", tlsCert), key: readPem("--tls-key", tlsKey) };
  try {
    createSecureContext(files);
  } catch (error) {
    throw invalid(
      `${tlsCert} and ${tlsKey} are no certificate and its key: ${messageOf(error)}`,
      "Give files in PEM, with the key that the certificate was made for.",
    );
  }
  return files;
}

/** Certificates that origins are trusted by. @throws CacheError `invalid-tls` */
export function readAuthorities(path: string): string {
  const pem = readPem("--origin-ca", path);
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw invalid(`--origin-ca: ${path} is no certificate: ${messageOf(error)}`, "Give a file in PEM.");
  }
  return pem;
}

function readPem(flag: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(`${flag}: can't read ${path}: ${codeOf(error) ?? messageOf(error)}`, "Give a file in PEM.");
  }
}

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-tls", message, { hint });
}
