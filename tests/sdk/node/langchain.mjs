import { ChatAnthropic } from "@langchain/anthropic";
import { ChatOpenAI } from "@langchain/openai";

const options = { model: "gpt-4o-mini", apiKey: "tsk_…", configuration: { baseURL: "http://127.0.0.1:8000/v1" }, maxRetries: 0 };
const claude = { model: "claude-haiku-4-5", apiKey: "tsk_…", anthropicApiUrl: "http://127.0.0.1:8000", maxRetries: 0 };

export default {
  async a_response() {
    const reply = await new ChatOpenAI({ ...options, useResponsesApi: true }).invoke("Say hello");
    console.log(reply.text);
  },

  async a_stream_of_anthropic() {
    for await (const chunk of await new ChatAnthropic(claude).stream("Say hello")) process.stdout.write(chunk.text);
  },

  async leaves_in_the_middle() {
    const leaving = new AbortController();
    for await (const chunk of await new ChatOpenAI(options).stream("Say hello", { signal: leaving.signal })) {
      if (!chunk.content) continue;
      process.stdout.write("left");
      leaving.abort();
    }
  },

  async refused_by_the_provider() {
    await new ChatOpenAI(options).invoke("Say hello");
  },

  async refused_by_the_gateway() {
    await new ChatOpenAI({ ...options, apiKey: "tsk_never_issued", maxRetries: 2 }).invoke("Say hello");
  },

  async anthropic_refused_by_the_gateway() {
    await new ChatAnthropic({ ...claude, apiKey: "tsk_never_issued", maxRetries: 2 }).invoke("Say hello");
  },
};
