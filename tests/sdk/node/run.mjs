// Runs programs one after the other, as applications of one SDK would, and says what each of them saw.
//
// A program is a module (`node run.mjs first.mjs second.mjs`): it runs when it is imported, and then so does
// each function of its default export, as a program of its own, in the order of the text. The last line of the output is JSON: by name, what was
// printed, the error it ended with, and the gateway's ids of its calls, read from the replies' headers as
// they pass Node's own HTTP client. No SDK is wrapped or patched.
import { subscribe } from "node:diagnostics_channel";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const seen = {};
let current;

subscribe("undici:request:headers", ({ response }) => {
  const headers = response.headers.map((value) => value.toString());
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "x-tallystick-request-id");
  if (at >= 0) current.ids.push(headers[at + 1]);
});

const print = (text) => current.printed += text;
console.log = (...words) => print(words.join(" ") + "\n");
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (text) => { print(text); return true; };

async function run(name, program) {
  current = seen[name] = { printed: "", ids: [], error: null };
  try {
    return await program();
  } catch (error) {
    current.error = {
      name: error.constructor.name,
      status: error.status ?? error.statusCode ?? null,
      text: error.responseBody ?? (error.error ? JSON.stringify(error.error) : error.message),
    };
  }
}

for (const file of process.argv.slice(2)) {
  const name = basename(file, ".mjs");
  const module = await run(name, () => import(pathToFileURL(file)));
  for (const [key, program] of Object.entries(module?.default ?? {})) await run(`${name}.${key}`, program);
}
write(JSON.stringify(seen), () => process.exit());
