import { GoogleGenAI } from "@google/genai";

const headers = { "X-Tallystick-Team": "growth", "X-Tallystick-Agent": "triage" };
const options = { apiKey: "tsk_…", httpOptions: { baseUrl: "http://127.0.0.1:8000", headers } };
const asked = { model: "gemini-2.5-flash", contents: "Say hello" };

export default {
  async a_reply() {
    const reply = await new GoogleGenAI(options).models.generateContent(asked);
    console.log(reply.text);
  },

  async the_headers_of_a_call() {
    const config = { httpOptions: { headers: { "X-Tallystick-User": "ada" } } };
    const reply = await new GoogleGenAI(options).models.generateContent({ ...asked, config });
    console.log(reply.text);
  },

  async a_stream() {
    const stream = await new GoogleGenAI(options).models.generateContentStream(asked);
    for await (const chunk of stream) process.stdout.write(chunk.text);
  },

  async leaves_in_the_middle() {
    const leaving = new AbortController();
    const stream = await new GoogleGenAI(options).models.generateContentStream({ ...asked, config: { abortSignal: leaving.signal } });
    try {
      for await (const chunk of stream) leaving.abort();
    } catch (error) {
      console.log("left", error.name);
    }
  },

  async refused_by_the_provider() {
    await new GoogleGenAI(options).models.generateContent(asked);
  },

  async refused_by_the_gateway() {
    await new GoogleGenAI({ ...options, apiKey: "tsk_never_issued" }).models.generateContent(asked);
  },
};
