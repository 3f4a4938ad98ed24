import OpenAI from "openai";

const options = { baseURL: "http://127.0.0.1:8000/v1", apiKey: "tsk_…", maxRetries: 0 };
const asked = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Say hello" }] };

export default {
  async a_stream_of_a_response() {
    const stream = new OpenAI(options).responses.stream({ model: "gpt-4o-mini", input: "Say hello" });
    stream.on("response.output_text.delta", (event) => process.stdout.write(event.delta));
    await stream.finalResponse();
  },

  async usage_in_a_stream_that_asks_for_it() {
    const stream = await new OpenAI(options).chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) if (chunk.usage) console.log(chunk.choices.length, chunk.usage.prompt_tokens, chunk.usage.completion_tokens);
  },

  async an_own_key_beside_ours() {
    const client = new OpenAI({ ...options, apiKey: "sk-callers-own-key", defaultHeaders: { "X-Tallystick-Key": "tsk_…" } });
    console.log((await client.chat.completions.create(asked)).choices[0].message.content);
  },

  async a_second_try() {
    const reply = await new OpenAI({ ...options, maxRetries: 1 }).chat.completions.create(asked);
    console.log(reply.choices[0].message.content);
  },

  async leaves_in_the_middle() {
    const stream = await new OpenAI(options).chat.completions.create({ ...asked, stream: true });
    for await (const chunk of stream) {
      if (!chunk.choices[0].delta.content) continue;
      stream.controller.abort();
      console.log("left");
    }
  },

  async refused_by_the_provider() {
    await new OpenAI(options).chat.completions.create(asked);
  },

  async refused_by_the_gateway() {
    await new OpenAI({ ...options, apiKey: "tsk_never_issued", maxRetries: 2 }).chat.completions.create(asked);
  },

  async an_address_without_v1() {
    await new OpenAI({ ...options, baseURL: "http://127.0.0.1:8000" }).chat.completions.create(asked);
  },
};
