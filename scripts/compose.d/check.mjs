// Holds docker-compose.yml against the compose schema, and against what the schema cannot know.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";

const file = process.argv[2];
const require = createRequire(import.meta.url);
const dclint = join(dirname(require.resolve("dclint/package.json")), "bin/dclint.cjs");
const text = readFileSync(file, "utf8");
const compose = parse(text, { merge: true });
let passed = 0;
let failed = 0;

function check(what, holds) {
  console.log(`${holds ? "ok  " : "FAIL"}  ${what}`);
  if (holds) passed += 1;
  else failed += 1;
}

// The schema's findings alone: the other rules are about taste. `$` as Compose would see it.
function schema(content) {
  const folder = mkdtempSync(join(tmpdir(), "compose-"));
  try {
    const copy = join(folder, "docker-compose.yml");
    writeFileSync(copy, content);
    let out;
    try {
      out = execFileSync(process.execPath, [dclint, copy, "-f", "json"], { encoding: "utf8" });
    } catch (error) {
      out = error.stdout;
    }
    const messages = JSON.parse(out).flatMap((one) => one.messages);
    return messages.filter((one) => /schema|yaml/i.test(one.rule ?? "")).map((one) => one.message);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const found = schema(text);
check(`docker-compose.yml fits the compose schema ${found.join("; ")}`, found.length === 0);
check("the check sees an unknown key", schema(text.replace("    image: postgres:15", "    image: postgres:15\n    imagee: x")).length > 0);
check("the check sees a wrong type", schema(text.replace("interval: 5s", "interval: [5]")).length > 0);

const services = compose.services;
const replicas = Object.entries(services).filter(([, one]) => (one.command ?? [])[0] === "serve");
check("there are two replicas", replicas.length === 2);
for (const [name, one] of replicas) {
  const listens = one.environment.TRIBELINK_SERVER__LISTEN;
  const test = one.healthcheck.test;
  check(`${name} is healthy by \`tribelink health\` at its own address`, test[1] === "tribelink" && test[2] === "health" && test.at(-1) === `http://${listens}`);
  check(`the proxy reaches ${name}`, compose.configs.caddyfile.content.includes(listens));
  check(`${name} waits for Postgres`, one.depends_on.postgres.condition === "service_healthy");
  const plain = Object.keys(one.environment).filter((key) => /SECRET|TOKEN|KEYS|PASSWORD|DATABASE/.test(key) && !key.endsWith("_FILE"));
  check(`${name} gets every secret by file ${plain}`, plain.length === 0);
  const files = Object.entries(one.environment).filter(([key]) => key.endsWith("_FILE"));
  check(`${name} is given the secrets that it reads`, files.length === 5 && files.every(([, path]) => one.secrets.includes(path.replace("/run/secrets/", ""))));
}
const used = Object.values(services).flatMap((one) => one.secrets ?? []);
check("every secret that is used is a file", used.every((name) => compose.secrets[name]?.file));
check("the sandbox takes part only when asked for", String(services.sandbox.profiles) === "sandbox");
check("Postgres keeps its data", services.postgres.volumes[0].startsWith("database:"));
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
