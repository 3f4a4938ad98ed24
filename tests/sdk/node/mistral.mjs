import { Mistral } from "@mistralai/mistralai";

const options = { apiKey: "tsk_…", serverURL: "http://127.0.0.1:8000/proxy/mistral", retryConfig: { strategy: "none" } };
const asked = { model: "mistral-small-latest", messages: [{ role: "user", content: "Say hello" }] };
const attributed = { headers: { "X-Tallystick-Team": "growth", "X-Tallystick-User": "ada" } };

export default {
  async a_reply() {
    const reply = await new Mistral(options).chat.complete(asked, attributed);
    console.log(reply.choices[0].message.content);
  },

  async a_stream() {
    for await (const { data } of await new Mistral(options).chat.stream(asked, attributed)) {
      process.stdout.write(data.choices[0]?.delta.content ?? "");
    }
  },

  async leaves_in_the_middle() {
    const leaving = new AbortController();
    try {
      for await (const { data } of await new Mistral(options).chat.stream(asked, { signal: leaving.signal })) {
        if (data.choices[0]?.delta.content) leaving.abort();
      }
    } catch (error) {
      console.log("left", error.name);
    }
  },

  async refused_by_the_provider() {
    await new Mistral(options).chat.complete(asked);
  },

  async refused_by_the_gateway() {
    await new Mistral({ ...options, apiKey: "tsk_never_issued" }).chat.complete(asked);
  },
};
