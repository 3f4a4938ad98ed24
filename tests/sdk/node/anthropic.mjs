import Anthropic from "@anthropic-ai/sdk";

const options = { baseURL: "http://127.0.0.1:8000", apiKey: "tsk_…", maxRetries: 0 };
const asked = { model: "claude-haiku-4-5", max_tokens: 100, messages: [{ role: "user", content: "Say hello" }] };

export default {
  async events_of_a_stream() {
    const stream = await new Anthropic(options).messages.create({ ...asked, stream: true });
    for await (const event of stream) console.log(event.type);
  },

  async the_key_as_a_bearer() {
    const { apiKey, ...others } = options;
    const message = await new Anthropic({ ...others, authToken: apiKey }).messages.create(asked);
    console.log(message.content[0].text);
  },

  async an_own_key_beside_ours() {
    const client = new Anthropic({ ...options, apiKey: "sk-callers-own-key", defaultHeaders: { "X-Tallystick-Key": "tsk_…" } });
    console.log((await client.messages.create(asked)).content[0].text);
  },

  async the_form_of_s3() {
    const defaultHeaders = { Authorization: "Bearer apc_…", "X-Provider-Key": "sk-callers-own-key" };
    const client = new Anthropic({ baseURL: "http://127.0.0.1:8000/api/proxy/v1/anthropic", apiKey: "sk-callers-own-key", defaultHeaders });
    console.log((await client.messages.create(asked)).content[0].text);
  },

  async leaves_in_the_middle() {
    const stream = new Anthropic(options).messages.stream(asked);
    stream.on("text", () => stream.abort());
    await stream.done().catch((error) => console.log("left", error.constructor.name));
  },

  async refused_by_the_provider() {
    await new Anthropic(options).messages.create(asked);
  },

  async refused_by_the_gateway() {
    await new Anthropic({ ...options, apiKey: "tsk_never_issued", maxRetries: 2 }).messages.create(asked);
  },

  async an_address_with_v1() {
    await new Anthropic({ ...options, baseURL: "http://127.0.0.1:8000/v1" }).messages.create(asked);
  },
};
