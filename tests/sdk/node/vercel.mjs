import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

const apiKey = "tsk_…";
const openai = createOpenAI({ baseURL: "http://127.0.0.1:8000/v1", apiKey });
const anthropic = createAnthropic({ baseURL: "http://127.0.0.1:8000/v1", apiKey });
const google = createGoogleGenerativeAI({ baseURL: "http://127.0.0.1:8000/v1beta", apiKey });
const asked = { prompt: "Say hello", maxRetries: 0 };

async function told(model) {
  const { textStream, usage } = streamText({ ...asked, model });
  for await (const text of textStream) process.stdout.write(text);
  const { inputTokens, outputTokens } = await usage;
  process.stdout.write(` ${inputTokens} ${outputTokens}`);
}

export default {
  a_stream_of_a_chat: () => told(openai.chat("gpt-4o-mini")),
  a_stream_of_anthropic: () => told(anthropic("claude-haiku-4-5")),
  a_stream_of_google: () => told(google("gemini-2.5-flash")),

  async leaves_in_the_middle() {
    const leaving = new AbortController();
    const { textStream } = streamText({ ...asked, model: openai.chat("gpt-4o-mini"), abortSignal: leaving.signal });
    for await (const text of textStream) {
      if (!text) continue;
      leaving.abort();
      console.log("left");
    }
  },

  async refused_by_the_provider() {
    await generateText({ ...asked, model: openai("gpt-4o-mini") });
  },

  async refused_by_the_gateway() {
    const stranger = createAnthropic({ baseURL: "http://127.0.0.1:8000/v1", apiKey: "tsk_never_issued" });
    await generateText({ ...asked, model: stranger("claude-haiku-4-5"), maxRetries: 2 });
  },

  async an_anthropic_address_without_v1() {
    const lost = createAnthropic({ baseURL: "http://127.0.0.1:8000", apiKey });
    await generateText({ ...asked, model: lost("claude-haiku-4-5") });
  },
};
