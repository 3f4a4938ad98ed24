// One call in each source system's own form, buffered and streamed.
import OpenAI from "openai";

const host = "http://127.0.0.1:8000";
const own = "sk-callers-own-key";
const forms = {
  s0: { baseURL: `${host}/v1`, apiKey: own, defaultHeaders: { "X-Cartie-Key": "cartie_proxy_…" } },
  s2: { baseURL: `${host}/proxy/openai/v1`, apiKey: "vk_…" },
  s3: { baseURL: `${host}/api/proxy/v1/openai`, apiKey: "apc_…", defaultHeaders: { "X-Provider-Key": own } },
  s4: { baseURL: `${host}/v1`, apiKey: own, defaultHeaders: { "X-Project-Token": "acm_proj_…" } },
};
const asked = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Say hello" }] };

async function buffered(client) {
  const reply = await client.chat.completions.create(asked);
  process.stdout.write(reply.choices[0].message.content);
}

async function streamed(client) {
  // No chunk without a choice may come: this loop, from a source system's document, would fail on it.
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    process.stdout.write(chunk.choices[0].delta.content ?? "");
  }
}

export default Object.fromEntries(
  Object.entries(forms).flatMap(([form, options]) => [buffered, streamed].map((call) => [`${form}.${call.name}`, () => call(new OpenAI(options))])),
);
