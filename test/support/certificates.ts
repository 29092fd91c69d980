import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Paths of PEM files. */
export interface Certificates {
  ca: string;
  cert: string;
  key: string;
}

/** A CA of its own and a certificate for `localhost` and 127.0.0.1 that it signed, made by `openssl`, valid for a day. */
export async function makeCertificates(dir: string): Promise<Certificates> {
  const path = (name: string) => join(dir, name);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const signing = path("ca.cnf");
  writeFileSync(
    signing,
    "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=cachectl test CA\n[v3]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
  );
  await run("openssl", [
    ..."req -x509 -days 1".split(" "),
    ...newKey,
    ...["-config", signing, "-keyout", path("ca.key"), "-out", path("ca.crt")],
  ]);
  const names = path("server.cnf");
  writeFileSync(names, "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  await run("openssl", [
    "req",
    ...newKey,
    ...["-subj", "/CN=localhost", "-config", signing, "-keyout", path("server.key"), "-out", path("server.csr")],
  ]);
  await run("openssl", [
    ..."x509 -req -days 1 -CAcreateserial".split(" "),
    ...["-in", path("server.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key")],
    ...["-extfile", names, "-out", path("server.crt")],
  ]);
  return { ca: path("ca.crt"), cert: path("server.crt"), key: path("server.key") };
}
